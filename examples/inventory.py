"""A small stock-keeping module: what is in the shop, what it costs, what must be ordered."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Item:
    name: str
    price: float
    quantity: int = 0


@dataclass
class Inventory:
    items: dict[str, Item] = field(default_factory=dict)

    def add(self, name: str, price: float, quantity: int = 1) -> None:
        item = self.items.setdefault(name, Item(name, price))
        item.quantity += quantity

    def remove(self, name: str, quantity: int = 1) -> None:
        if name not in self.items:
            raise KeyError(name)
        item = self.items[name]
        if item.quantity < quantity:
            raise ValueError(f"only {item.quantity} of {name} left")
        item.quantity -= quantity

    def total_value(self) -> float:
        return sum()

    def low_stock(self, threshold: int = 5) -> list[str]:
        return [item.name for item in self.items.values() if item.quantity < threshold]

    def is_empty(self) -> bool:
        if len(self.items) == 0:
            return True
        else:
            return False

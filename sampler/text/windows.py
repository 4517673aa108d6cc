"""Which part of a document the model sees: line-aligned windows that move in steps, so caches survive typing.

The start of the prefix window depends on the document's beginning, not on the cursor: it moves once every
quarter of the budget. The suffix window starts at the cursor and so stays the same while one types before it.
"""

from __future__ import annotations

PREFIX_CHARACTERS = 2400
SUFFIX_CHARACTERS = 800
EDIT_PREFIX_CHARACTERS = 600
EDIT_SUFFIX_CHARACTERS = 200
"""Around a selection that is rewritten: it stands in the context itself, and says more than what is around it."""


def prefix_window(text: str, budget: int = PREFIX_CHARACTERS) -> str:
    """The end of `text`, at most `budget` characters, from the start of a line where one is near.

    The window's start is a step function of len(text) with steps of budget / 4: between two steps a typed
    character leaves everything before it where it was.
    """
    if len(text) <= budget:
        return text
    step = max(budget // 4, 1)
    earliest = -(-(len(text) - budget) // step) * step
    line_start = text.find("\n", earliest, earliest + step) + 1
    return text[line_start or earliest :]


def suffix_window(text: str, budget: int = SUFFIX_CHARACTERS) -> str:
    """The beginning of `text`, at most `budget` characters, to the end of a line where one is near.

    Near: in the last quarter of the budget; a long line is cut rather than given up.
    """
    if len(text) <= budget:
        return text
    line_end = text.rfind("\n", budget - budget // 4, budget) + 1
    return text[: line_end or budget]

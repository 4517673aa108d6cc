"""What a person switched by command in this window: it wins over the settings until the server ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from lsp_server.workspace.settings import CompletionSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Switches:
    """On, off, or as the settings say (None, or a language that is not named)."""

    enabled: bool | None = None
    languages: Mapping[str, bool] = field(default_factory=dict)
    snoozed_until: float | None = None
    """By the server's clock, in seconds."""

    def turned(self, on: bool, language: str | None = None) -> Switches:
        """Suggestions on or off, in all languages or in one; either ends a snooze."""
        if language is None:
            return Switches(enabled=on, languages=self.languages)
        return Switches(enabled=self.enabled, languages={**self.languages, language: on})

    def snoozed(self, until: float) -> Switches:
        """Nothing unasked before `until`."""
        return dataclasses.replace(self, snoozed_until=until)

    def why_off(self, completion: CompletionSettings, language: str, now: float) -> str | None:
        """Why nothing comes unasked in `language`, in one sentence, or None."""
        if self.snoozed_until is not None and now < self.snoozed_until:
            minutes = -(-(self.snoozed_until - now) // 60)
            return f"Suggestions are snoozed for another {minutes:.0f} min."
        if not (completion.enabled if self.enabled is None else self.enabled):
            return "Suggestions are switched off."
        by_settings = bool({"*", language}.intersection(completion.languages))
        if not self.languages.get(language, by_settings):
            return f"Suggestions are not switched on for {language!r}."
        return None

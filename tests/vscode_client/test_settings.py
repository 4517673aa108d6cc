"""The VS Code extension's manifest against the server's settings: what one has, the other has."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lsp_server.workspace.settings import Settings, settings_from

MANIFEST = json.loads((Path(__file__).parents[2] / "vscode-client" / "package.json").read_text(encoding="utf-8"))
OFFERED: dict[str, dict[str, Any]] = {
    name: setting
    for section in MANIFEST["contributes"]["configuration"]
    for name, setting in section["properties"].items()
}
OF_THE_EXTENSION = ("seedfill.server.", "seedfill.install.")
NEEDLESS = {"seedfill.completion.fallback"}
"""VS Code has inline completion."""


def test_every_setting_of_the_server_is_offered_with_its_default() -> None:
    of_the_server = {name: setting for name, setting in OFFERED.items() if not name.startswith(OF_THE_EXTENSION)}
    assert {name: setting["default"] for name, setting in of_the_server.items()} == {
        name: default for name, default in _defaults(Settings()) if name not in NEEDLESS
    }


def test_every_setting_is_described() -> None:
    assert not [
        name
        for name, setting in OFFERED.items()
        if not (setting.get("description") or setting.get("markdownDescription", "")).strip().endswith(".")
    ]


def test_the_server_takes_every_value_that_the_manifest_allows() -> None:
    for name, setting in OFFERED.items():
        if name.startswith(OF_THE_EXTENSION):
            continue
        section, key = name.removeprefix("seedfill.").split(".")
        edges = [setting[edge] for edge in ("minimum", "maximum") if edge in setting]
        for value in [setting["default"], *edges, *setting.get("enum", ())]:
            assert settings_from({section: {key: value}})[1] == ()


def _defaults(settings: Any, path: str = "seedfill") -> Iterator[tuple[str, Any]]:
    """Names as VS Code writes them, and defaults as JSON has them."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        first, *others = field.name.split("_")
        name = f"{path}.{first}" + "".join(map(str.capitalize, others))
        if dataclasses.is_dataclass(value):
            yield from _defaults(value, name)
        else:
            yield name, list(value) if isinstance(value, tuple) else value

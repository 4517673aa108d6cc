"""A workspace that is not trusted: what it sets must not choose what is run, and the rest works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import ROOT, Window, write_program
from tests.support.lsp_scripted import Script


@pytest.fixture(scope="module")
def mark(home: Path) -> Path:
    """A file that is there once anything was run that the workspace names."""
    return home / "was-run"


@pytest.fixture(scope="module")
def own(home: Path, mark: Path) -> dict[str, Any]:
    """What the workspace sets: everything that it must not, and one thing that it may."""
    evil = str(write_program(home / "bin" / "evil", ["sh", "-c", f"touch {mark}"], {}))
    manifest = json.loads((ROOT / "vscode-client" / "package.json").read_text())
    limited = manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    return {**dict.fromkeys(limited, evil), "seedfill.sampler.mode": "private", "seedfill.completion.maxTokens": 7}


@pytest.fixture(scope="module")
def window(scripted: Path, own: dict[str, Any], open_window: Open) -> Window:
    return open_window(of_workspace=own, server__path=str(scripted), is_trusted=False).ready()


def test_it_chooses_neither_program_nor_model_and_may_set_the_rest(window: Window, script: Script, mark: Path) -> None:
    script.rules({"before": "x = ", "fills": ["value"]})
    window.edit("value = 1\nx =║\n").type(" ")
    window.wait_for_ghost("value")
    window.picture("untrusted")
    (request, *_) = script.entries("request")
    assert (request["model"], request["max_tokens"]) == (None, 7)
    assert not mark.exists()

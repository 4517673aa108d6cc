"""What a model's config.json says of its edits: the presets that it is good for, and how sure it has to be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lsp_server.edits.presets import offered
from lsp_server.workspace.model_facts import model_facts
from sampler.text.rewriting import CONFIDENCE_FLOOR
from seedfill import cli
from seedfill.commands import edit_measures
from seedfill.evaluation.edit_floor import BEYOND, floor_figures, with_beyond
from seedfill.evaluation.edit_tasks import EditTask, read_edit_tasks
from seedfill.evaluation.editor import EditOutcome
from seedfill.evaluation.edits import EditAnswer, EditVerdict
from tests.support.tiny_model import make_tiny_model

EDITS = {
    "identity_with_none": ("if x == None:", "if x is None:"),
    "literals": ("x = list()", "x = []"),
    "docstring": ("def f():", 'def f():\n    """Do it."""'),
    "rename": ("x = 1", "y = 1"),
}


def write_tasks(path: Path, n: int) -> Path:
    bodies = []
    for kind, (old, new) in EDITS.items():
        tail = "\n    pass\n" if old.endswith(":") else "\n"
        body = {"kind": kind, "instruction": "do it", "start": 6, "end": 6 + len(old), "replacement": new}
        bodies += [{"task_id": f"{kind}/{i}", "source": f"a = {i}\n{old}{tail}", **body} for i in range(n)]
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    return path


class Scripted:
    """Compares with None by identity and, of literals, knows every other; documents in words of its own."""

    def __init__(self, engine: object, options: Any) -> None:
        self.engine = engine

    def edit(self, source: str, start: int, end: int, instruction: str, *, language: str) -> EditOutcome:
        knows = {"compare with None by identity": ("==", "is"), "add a docstring": ("def f():", 'def f():\n    "F."')}
        if instruction == "use literals" and source[4] in "02":
            knows[instruction] = ("list()", "[]")
        if instruction not in knows:
            return EditOutcome(text=None, refusal="No.")
        return EditOutcome(text=source.replace(*knows[instruction]), confidence=0.9, forwards=1, ms=1.0)


def run(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.run(["eval", *map(str, arguments), "--device", "cpu", "--json"]) == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_what_passes_often_enough_is_offered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedfill.evaluation.editor.SamplerEditor", Scripted)
    model, tasks = make_tiny_model(tmp_path / "tiny"), write_tasks(tmp_path / "menu.jsonl", 4)
    arguments = ("presets", tasks, "--model", model, "--min-tasks", 4, "--write")
    body = run(arguments, capsys)
    assert body["presets"]["identity_with_none"] == {"n": 4, "refused": 0, "pass_at_1": 1.0}
    assert body["presets"]["literals"]["pass_at_1"] == 0.5
    assert body["presets"]["docstring"]["pass_at_1"] == 0.0, "in a menu's measure, only the very answer is right"
    assert "rename" not in body["presets"], "which no menu can ask for"
    assert body["offered"] == {"identity_with_none": 1.0} and body["written"] is True
    facts = model_facts(str(model))
    assert [preset.title for preset in offered(facts.presets, "if x == None:")] == ["Compare with None by identity"]
    assert run((*arguments[:-3], "--min-tasks", 5), capsys)["offered"] == {}


def test_the_floor_is_where_most_of_what_is_shown_is_right() -> None:
    task = EditTask(task_id="t", instruction="i", source="a", start=0, end=1, replacement="b", kind="rename")
    tasks = [task] * 8
    asked = with_beyond(tasks)
    assert [task.kind for task in asked] == ["rename"] * 8 + [BEYOND] * 2
    sure = [0.9, 0.9, 0.8, 0.8, 0.7, 0.6, 0.5, None, 0.95, 0.3]
    answers = [
        EditAnswer(task_id="t", completion="b", refused=c is None, forwards=1, ms=1.0, confidence=c) for c in sure
    ]
    verdicts = [EditVerdict(passed=c is not None and c > 0.65) for c in sure]
    figures = floor_figures(asked, answers, verdicts, target=0.8)
    assert (figures["floor"], figures["is_reached"]) == (0.7, True)
    assert (figures["edited"], figures["shown"], figures["right"]) == (9, 0.6, pytest.approx(5 / 6))
    assert (figures["beyond_n"], figures["beyond_shown"]) == (2, 0.5)
    figures = floor_figures(asked, answers, [EditVerdict(passed=False)] * 10, target=0.8)
    assert (figures["floor"], figures["is_reached"], figures["right"]) == (1.0, False, None)


def test_a_floor_is_measured_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, tasks = make_tiny_model(tmp_path / "tiny"), write_tasks(tmp_path / "edits.jsonl", 1)
    assert model_facts(str(model)).edit_confidence_floor == CONFIDENCE_FLOOR
    out = tmp_path / "predictions.jsonl"
    body = run(("edit-floor", tasks, "--model", model, "--write", "--out", out), capsys)
    assert (body["n"], body["beyond_n"], body["written"]) == (5, 1, True)
    assert model_facts(str(model)).edit_confidence_floor == body["floor"] == 1.0
    assert len(out.read_text().splitlines()) == 5


def test_presets_takes_a_files_own_tasks_in_the_menus_words(tmp_path: Path) -> None:
    tasks = read_edit_tasks(write_tasks(tmp_path / "menu.jsonl", 3))
    asked = edit_measures._in_menu_words(tasks, 2)
    assert {(task.kind, task.instruction) for task in asked} == {
        ("identity_with_none", "compare with None by identity"),
        ("literals", "use literals"),
        ("docstring", "add a docstring"),
        ("simplify", "simplify"),
    }
    assert len(asked) == 8


@pytest.mark.parametrize("command", ["presets", "edit-floor"])
def test_nothing_is_measured_that_cannot_be_written(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = write_tasks(tmp_path / "menu.jsonl", 1)
    assert cli.run(["eval", command, str(tasks), "--write"]) == 2
    assert "--write needs --model" in capsys.readouterr().err
    (tmp_path / "config.json").write_text("{}")
    assert cli.run(["eval", command, str(tasks), "--write", "--model", str(tmp_path)]) == 2
    assert 'no section "seedfill"' in capsys.readouterr().err

"""Instructed edits: each kind in a golden case, and what must hold for every pair whatever file it comes from."""

from __future__ import annotations

import ast
import json
import lzma
from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest

from seedfill import cli
from seedfill.evaluation.edit_checks import accepts
from seedfill.evaluation.edit_tasks import read_edit_tasks
from seedfill.training.data.corpus import Document
from seedfill.training.data.instruct import pairs
from seedfill.training.data.instruct.source import TRANSFORMATIONS, Source
from seedfill.training.data.instruct.taskset import make_tasks
from seedfill.training.data.instruct.wordings import wordings
from tests.support.stdlib import stdlib_modules

GOLDEN = Path(__file__).parents[3] / "golden" / "instruct"
WAS = "--- was\n"


def stdlib() -> list[Document]:
    return stdlib_modules(more_than=2_000)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_golden_case(path: Path) -> None:
    after, before = path.read_text(encoding="utf-8").split(WAS)
    pair = pairs.make_pair(after, path.stem, Random(0))
    assert pair is not None
    assert pair.before(after) == before


def test_every_kind_has_a_golden_case_and_wordings() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(TRANSFORMATIONS) == set(wordings())


@pytest.mark.parametrize("kind", TRANSFORMATIONS)
def test_wordings_are_varied_and_those_held_out_are_new(kind: str) -> None:
    own = wordings()[kind]
    assert len(set(own.train)) >= 4
    assert own.heldout
    assert not {text.casefold().strip(".") for text in own.train} & {text.casefold().strip(".") for text in own.heldout}


@pytest.mark.parametrize("seed", range(8))
def test_a_pair_is_an_edit_of_whole_lines_between_two_files_that_parse(seed: int) -> None:
    rng = Random(seed)
    found = 0
    for document in rng.sample(stdlib(), 12):
        pair = pairs.draw_pair(document.text, rng)
        if pair is None:
            continue
        found += 1
        before = pair.before(document.text)
        assert document.text[pair.start : pair.end] == pair.new != pair.old
        assert before[: pair.start] == document.text[: pair.start]
        assert before[pair.start + len(pair.old) :] == document.text[pair.end :]
        assert pair.start == 0 or document.text[pair.start - 1] == "\n"
        assert pair.end == len(document.text) or document.text[pair.end] == "\n"
        ast.parse(before)
        assert max(len(pair.old), len(pair.new)) <= pairs.MAX_SELECTION
        said = pairs.instruction(pair, rng)
        assert said is None or (
            said and "{" not in said.replace("{}", "") or any("{" in f for f in pair.facts.values())
        )
    assert found >= 6


def test_the_same_seed_draws_the_same_pair() -> None:
    text = stdlib()[0].text
    assert pairs.draw_pair(text, Random(3)) == pairs.draw_pair(text, Random(3))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("type_hints", "def f(a, b=1):\n    return a\n"),
        ("docstring", 'def f():\n    """Only this."""\n'),
        ("docstring", 'def f(): """One line."""; return 1\n'),
        ("default_argument", "def f(*, a, b):\n    return a\n"),
        ("error_handling", "try:\n    go()\nfinally:\n    stop()\n"),
        ("error_handling", 'try:\n    x = """\nkept\n"""\nexcept E:\n    pass\n'),
        ("context_manager", "def f():\n    with open(p) as f:\n        return f.read()\n"),
        ("f_string", 'x = f"{a!r} {b:>3}"\n'),
        ("f_string", "x = f'{a}' f'{b}'\n"),
        ("rename", 'def f(name):\n    return f"{name}" + name\n'),
        ("rename", "def f(self, x):\n    return self\n"),
        ("sort_imports", "import sys\nimport os\nimport re\n"),
        ("named_constant", "A = 10\nA = 20\nprint(A)\n"),
        ("guard_clause", "def f(x):\n    if x:\n        y = 1\n    return y\n"),
        ("inline_variable", "return_value = f(x)\n"),
        ("comprehension", "x = [a for a in b for c in d]\n"),
        ("bug", "x = a < b < c\n"),
        ("off_by_one", "for i in range(10):\n    pass\n"),
        ("docstring", "def f(:\n"),
    ],
)
def test_what_cannot_be_undone_is_left_alone(kind: str, text: str) -> None:
    assert pairs.make_pair(text, kind, Random(0)) is None


@pytest.mark.parametrize("seed", range(20))
def test_offsets_count_characters_also_behind_others(seed: int) -> None:
    text = 'é = "ü"\n\n\ndef f(ä: int, ö: str = "ß") -> str:\n    return ö\n'
    pair = pairs.make_pair(text, "type_hints", Random(seed))
    assert pair is not None
    assert 'def f(ä, ö="ß"):' in pair.before(text)


def test_an_excerpt_begins_and_ends_between_statements_of_the_module() -> None:
    text = max((d.text for d in stdlib()), key=len)
    for seed in range(20):
        start, end = pairs.excerpt(text, Random(seed))
        assert start < end
        for edge in (start, end):
            assert edge in (0, len(text)) or (text[edge - 1] == "\n" and not text[edge].isspace())


def test_tasks_are_written_as_the_evaluation_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(task) + "\n" for task in make_tasks(stdlib()[:30], 2)))
    tasks = read_edit_tasks(path)
    kinds = {task.kind for task in tasks}
    assert len(kinds) > 20
    assert all(accepts(task.kind, task.source, task.gold, task.gold) for task in tasks)
    assert not any(accepts(task.kind, task.source, task.source, task.gold) for task in tasks)
    plain = {kind: {text for text in wordings()[kind].train if "{" not in text} for kind in kinds}
    assert not any(task.instruction.casefold().rstrip(".") in plain[task.kind] for task in tasks)


def test_instruct_set_writes_a_task_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(json.dumps(asdict(document)) + "\n" for document in stdlib()[:4])
    (tmp_path / "heldout.jsonl.xz").write_bytes(lzma.compress(lines.encode()))
    out = tmp_path / "tasks.jsonl"
    arguments = ["train", "instruct-set", "--corpus", str(tmp_path), "--out", str(out), "--per-kind", "1", "--json"]
    assert cli.run(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["tasks"] == len(read_edit_tasks(out)) > 5
    first = out.read_bytes()
    assert cli.run(arguments) == 0
    assert out.read_bytes() == first


def test_instruct_set_complains_where_nothing_is_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "instruct-set", "--corpus", str(tmp_path), "--out", str(tmp_path / "t")]) == 2
    assert "no heldout corpus" in capsys.readouterr().err


def test_a_source_finds_what_stands_where() -> None:
    source = Source("class A:\n    def f(self):\n        return 'é', 1\n")
    (number,) = [node for node in source.nodes(ast.Constant) if node.value == 1]
    assert source.words(number) == "1"
    function = source.function_of(number)
    assert function is not None
    assert function.name == "f"
    assert source.indent(function) == "    "

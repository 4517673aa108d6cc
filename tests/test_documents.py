"""What the documents and `--help` show: every command line is accepted, what can run here runs, and prints that."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from seedfill import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), ROOT / "vscode-client" / "README.md"]
_BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:\n^```diff\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
_BEFORE = {"nice", "torchrun", "--nproc-per-node", "2", "-m"}
"""What may stand before the program: `torchrun --nproc-per-node 2 -m seedfill.cli train …`."""
_RUN = ("fill examples/", "edit examples/", "doctor", "models list", "train recipes", "stop")
"""Commands that need nothing but the model that ships, and take seconds."""
_SEPARATORS = {"&&", ";", "|", ">"}


def commands(block: str) -> Iterator[list[str]]:
    """The commands of some lines of shell, as words, without comments and without what a program's output goes to."""
    for line in block.splitlines():
        lexer = shlex.shlex(line.replace("$(", "").replace(")", ""), posix=True, punctuation_chars="|&;>")
        lexer.whitespace_split = True
        words = list[str]()
        for word in [*lexer, "&&"]:
            if word not in _SEPARATORS:
                words.append(word)
            elif words:
                yield [one for i, one in enumerate(words) if not (one in _BEFORE and set(words[:i]) <= _BEFORE)]
                words = []


def shown() -> Iterator[tuple[str, list[str], str]]:
    """Where each command is shown, its words, and the output that is shown below the last of a block."""
    for page in PAGES:
        for block, output in _BLOCK.findall(page.read_text()):
            *others, last = commands(block)
            yield from ((page.name, words, "") for words in others)
            yield page.name, last, output


def examples(command: Any, name: str) -> Iterator[tuple[str, list[str], str]]:
    """The examples in the help of a command and of those below it."""
    text = f"{command.help or ''}\n\n{command.epilog or ''}"
    for example in re.findall(r"Example: (.+)", text):
        yield from ((f"{name} --help", words, "") for words in commands(example))
    context = typer.Context(command)
    for below in getattr(command, "list_commands", lambda _: [])(context):
        yield from examples(command.get_command(context, below), f"{name} {below}")


ALL = [*shown(), *examples(get_command(cli.app), "seedfill")]
OURS = [(where, words[1:], output) for where, words, output in ALL if words[0].split(".")[0] == "seedfill"]
BENCHMARKS = [words for _, words, _ in ALL if words[0].startswith("python")]


NAMED = re.compile(r"`((?:[\w.-]+/)+[\w.-]*\w\.(?:py|sh|md|toml|json))`")
"""A file by its path, below the repository or one of its packages."""
ROOTS = [ROOT, ROOT / "lsp_server", ROOT / "sampler"]


def _id(shown: tuple[str, list[str], str]) -> str:
    return f"{shown[0]}: {' '.join(shown[1])}"


def test_commands_are_found_everywhere() -> None:
    places = {where for where, _, _ in OURS}
    assert places > {"README.md", "editors.md", "training.md", "results.md", "seedfill --help", "seedfill fill --help"}


@pytest.mark.parametrize("shown", OURS, ids=_id)
def test_the_command_line_accepts_what_is_shown(
    shown: tuple[str, list[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, words, _ = shown
    assert cli.run([*words, "--help"]) == 0, capsys.readouterr().err
    assert "Usage:" in capsys.readouterr().out


@pytest.mark.parametrize("words", BENCHMARKS, ids=" ".join)
def test_a_benchmark_has_the_options_that_are_shown(words: list[str]) -> None:
    source = (ROOT / words[1]).read_text()
    for option in (word for word in words if word.startswith("--")):
        assert f'"{option}"' in source or option[2:].replace("-", "_") in source


@pytest.mark.parametrize("shown", [one for one in OURS if " ".join(one[1]).startswith(_RUN)], ids=_id)
def test_what_can_run_here_does_what_is_shown(
    shown: tuple[str, list[str], str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _, words, output = shown
    monkeypatch.chdir(ROOT)
    assert cli.run(words) in ((0, 3) if words == ["stop"] else (0,))  # there may be nothing to stop
    printed = capfd.readouterr()
    assert printed.out + printed.err
    if output:
        assert printed.out == output
    if "--holes" in words:
        ast.parse(printed.out)
        assert "▢" not in printed.out


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md"], ids=lambda page: page.name)
def test_what_a_page_names_and_links_to_is_there(page: Path) -> None:
    text = page.read_text()
    named = [path for path in NAMED.findall(text) if not path.startswith(("heldout/", "vscode/", ".vscode/"))]
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert [path for path in named if not any((root / path).exists() for root in ROOTS)] == []
    assert [link for link in links if link and not (page.parent / link).exists()] == []

"""Ignore patterns decide as git does, and take no longer for being written by somebody who means harm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lsp_server.workspace.ignore_patterns import parse

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is asked")

FILES = ["a.py", "b/a.py", "b/c/a.py", "b/c/d.log", "build/x/y.py", "src/build/z.o", "a[1].py", "#x", "!y", "sp "]
FILES += ["é.py"]
PATTERNS = [
    "*.py", "/a.py", "a.py", "b/", "b", "b/*", "b/**", "**/c", "**/c/", "b/**/d.log", "c/d.log", "build/", "/build",
    "**", "*", "?.py", "[ab].py", "[!a].py", "[^a]*.py", "a\\[1].py", "a[[]1].py", "\\#x", "#x", "\\!y", "!y", "sp\\ ",
    "sp ", "[[:alpha:]].py", "[a-c].py", "[a-", "*a*", "a*y", "***.py", "b/*/a.py", "/b/c", "b/c/", "**/build/**",
    "é.py", "??.py", "d.*", "/*", "!*.py", "!b/", "!b/c/a.py", "x/**/", "[]a].py", "a.py/", "",
]  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def by_git(root: Path, lines: list[str]) -> set[str]:
    (root / ".git" / "info" / "exclude").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = ["git", "-C", str(root), "-c", "core.quotePath=false", "check-ignore", "-z", "--no-index", "--stdin"]
    asked = "\0".join(FILES).encode()
    done = subprocess.run(command, input=asked, capture_output=True, check=False)
    return set(filter(None, done.stdout.decode().split("\0")))


def ours(lines: list[str]) -> set[str]:
    patterns, _ = parse(lines)
    return {name for name in FILES if patterns.decide(name)}


@needs_git
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_excludes_what_it_does_for_git(repository: Path, pattern: str) -> None:
    assert ours([pattern]) == by_git(repository, [pattern])


@needs_git
@given(lines=st.lists(st.sampled_from(PATTERNS), min_size=2, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_several_patterns_the_last_decides_as_for_git(repository: Path, lines: list[str]) -> None:
    assert ours(lines) == by_git(repository, lines)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*a*a*a*a*a*a*a*a*b", "a" * 4000),
        ("*" * 200 + "x", "y" * 4000),
        ("*a" * 400, "a" * 2000 + "b"),
        ("[a-z]*" * 100 + "!", "a" * 4000),
        ("/".join(["**", "a*a*b"] * 50), "/".join(["a" * 50] * 60)),
    ],
)
def test_no_pattern_takes_long(pattern: str, name: str) -> None:
    """A matcher that goes back and forth would take years."""
    assert parse([pattern])[0].decide(name) is None


def test_a_megabyte_of_patterns_is_bounded() -> None:
    patterns, _ = parse(f"*{i}*x" for i in range(300_000))
    assert len(patterns.patterns) == 5_000 and patterns.decide("a/b/c/d/e/f") is None

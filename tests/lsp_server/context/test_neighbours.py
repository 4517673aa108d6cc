"""Which other files are looked at, and for how long what they gave is kept."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from lsp_server.context.imported import imported_files
from lsp_server.context.neighbours import BURST_S, Neighbours
from lsp_server.context.query import Query
from lsp_server.workspace.documents import Document
from lsp_server.workspace.settings import Settings
from tests.lsp_server.features.test_inline_completion import editing


class Project:
    """Files on disk, some of them open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders: tuple[PurePath, ...] = (root,)
        self.documents: dict[str, Document] = {}
        self.neighbours = Neighbours(self.documents, lambda uri: PurePath(uri.removeprefix("file://")))

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def open(self, name: str, text: str) -> None:
        uri = f"file://{self.root / name}"
        self.documents[uri] = Document(uri, "python", 0, text, "utf-16")

    def shown(self, marked: str, *, name: str = "main.py", now: float = 0.0) -> list[str]:
        before, _, after = marked.partition("║")
        self.open(name, before + after)
        document = self.documents[f"file://{self.root / name}"]
        query = Query(
            snapshot=document.snapshot(),
            offset=len(before),
            settings=Settings(),
            path=self.root / name,
            folders=self.folders,
        )
        return [snippet.text for snippet in self.neighbours.snippets(query, now)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


AREA = "def area(r):\n    return 3 * r * r"


def test_an_open_file_is_looked_at_as_it_is_in_the_editor(project: Project) -> None:
    project.write("shapes.py", "def area():\n    old\n")
    project.open("shapes.py", AREA)
    assert project.shown("area(║") == [AREA]


def test_a_closed_file_that_was_edited_is_read_from_disk(project: Project) -> None:
    project.write("shapes.py", AREA)
    project.shown("x = ║", name="shapes.py")
    del project.documents[f"file://{project.root}/shapes.py"]
    assert project.shown("area(║") == [AREA]


def test_an_imported_file_is_read_from_disk(project: Project) -> None:
    project.write("pkg/shapes.py", AREA)
    assert project.shown("from pkg.shapes import area\narea(║") == [AREA]


@pytest.mark.parametrize("name", ["secrets.py", "build/shapes.py", "shapes_pb2.py"])
def test_what_privacy_forbids_is_not_looked_at(project: Project, name: str) -> None:
    project.write(".gitignore", "build/\n")
    project.open(name, AREA)
    assert project.shown("area(║") == []


def test_files_of_another_workspace_folder_are_not_looked_at(project: Project) -> None:
    project.folders = (project.root / "one", project.root / "other")
    project.open("other/shapes.py", AREA)
    assert project.shown("area(║", name="one/main.py") == []
    assert project.shown("area(║", name="other/main.py") == [AREA]


def test_files_of_another_language_are_not_looked_at(project: Project) -> None:
    project.open("shapes.js", "function area(r) {\n}\n")
    assert project.shown("area(║") == []


def test_the_choice_is_kept_while_one_types(project: Project) -> None:
    project.open("shapes.py", AREA + "\n\n\ndef volume(r):\n    pass\n")
    first = project.shown("area(║")
    assert project.shown("area(volume(║", now=BURST_S) == first
    assert project.shown("area(volume(║", now=3 * BURST_S) != first


def test_a_cursor_elsewhere_gets_a_choice_of_its_own(project: Project) -> None:
    project.open("shapes.py", AREA + "\n\n\ndef volume(r):\n    pass\n")
    filler = "x = 1\n" * 1000
    assert project.shown(f"area(║)\n{filler}volume()") == [AREA]
    assert project.shown(f"area()\n{filler}volume(║)") == ["def volume(r):\n    pass"]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "import a.b\n", ["w/a/b.py", "w/a/b/__init__.py", "w/src/a/b.py"]),
        ("python", "from .x import y\n", ["w/pkg/x.py", "w/pkg/x/__init__.py"]),
        ("python", "from ..x import y\n", ["w/x.py"]),
        ("python", "from . import y\n", ["w/pkg/__init__.py"]),
        ("typescript", "import {a} from './lib/a';\n", ["w/pkg/lib/a.ts", "w/pkg/lib/a/index.ts"]),
        ("javascript", "const a = require('../a.js');\n", ["w/pkg/../a.js"]),
        ("c", '#include "a.h"\n', ["w/pkg/a.h", "w/a.h"]),
        ("python", "important = 1\n", []),
        ("cobol", "import a\n", []),
    ],
)
def test_imported_files(language: str, text: str, expected: list[str]) -> None:
    root = Path("/w")
    found = {str(path)[1:] for path in imported_files(root / "pkg" / "main.py", text, language, [root])}
    assert set(expected) <= found
    assert bool(found) == bool(expected)


async def test_snippets_reach_the_sampler_where_they_are_switched_on() -> None:
    options = {"completion": {"debounceMs": 0, "speculative": False, "snippets": True}}
    async with editing(options=options) as editor:
        editor.open(AREA, name="file:///w/shapes.py")
        buffer = editor.open("total = area(║\n", name="file:///w/main.py")
        await buffer.items()
        (asked,) = await editor.asked(buffer.uri)
        assert asked["snippets"] == [{"path": "shapes.py", "text": AREA}]

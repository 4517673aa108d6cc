"""Cells of a notebook as one canvas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lsp_server.workspace.documents import Document
from lsp_server.workspace.notebooks import Cell, Notebooks
from tests.lsp_server.features.test_inline_completion import INLINE, Editor, editing

NOTEBOOK = "file:///w/analysis.ipynb"


def uri(cell: int) -> str:
    return f"vscode-notebook-cell:/w/analysis.ipynb#{cell}"


def notebook(*texts: str, languages: tuple[str, ...] = ()) -> tuple[Notebooks, dict[str, Document]]:
    kinds = languages or ("python",) * len(texts)
    pairs = enumerate(zip(texts, kinds, strict=True))
    documents = {uri(n): Document(uri(n), kind, 0, text, "utf-16") for n, (text, kind) in pairs}
    notebooks = Notebooks()
    notebooks.open(NOTEBOOK, [Cell(uri(n), kind != "markdown") for n, kind in enumerate(kinds)])
    return notebooks, documents


@pytest.mark.parametrize(
    ("texts", "languages", "cell", "before", "after"),
    [
        (("import os", "os.", "done()"), (), 1, "import os\n\n", "\n\ndone()"),
        (("a", "b"), (), 0, "", "\n\nb"),
        (("a", "# words", "b"), ("python", "markdown", "python"), 2, "a\n\n", ""),
        (("a", "SELECT", "b"), ("python", "sql", "python"), 2, "a\n\n", ""),
        (("%matplotlib inline\nimport os\n!ls\n", "b"), (), 1, "# %matplotlib inline\nimport os\n# !ls\n\n", ""),
        (("%%bash\nls", "b"), (), 1, "", ""),
        (("%%time\nimport os", "b"), (), 1, "# %%time\nimport os\n\n", ""),
        (("\n%%capture out\n%%time\na = 1", "b"), (), 1, "# %%capture out\n# %%time\na = 1\n\n", ""),
        (("\n  \n  %%bash\nls", "b"), (), 1, "", ""),
        (("a\n%%bash\nls", "b"), (), 1, "a\n# %%bash\nls\n\n", ""),
        (("%%time\n%%bash\nls", "b"), (), 1, "", ""),
        (("%%nobody_knows\nls", "b"), (), 1, "", ""),
        (("%%time?", "b"), (), 1, "# %%time?\n\n", ""),
        (("%%bash\nls", "b"), ("sql", "sql"), 1, "%%bash\nls\n\n", ""),
        (("a", "%%time\nb", "c"), (), 1, "a\n\n", "\n\nc"),
        (("a", "%%bash\nls", "c"), (), 1, "", ""),
        (("%time x", "b"), (), 0, "", "\n\nb"),  # the cursor's own cell stays as it is
        (("words", "b"), ("markdown", "python"), 0, "", ""),
    ],
)
def test_a_cell_stands_among_the_others(
    texts: tuple[str, ...], languages: tuple[str, ...], cell: int, before: str, after: str
) -> None:
    notebooks, documents = notebook(*texts, languages=languages)
    canvas = notebooks.canvas(documents[uri(cell)].snapshot(), documents)
    assert canvas.snapshot.text == before + texts[cell] + after
    assert canvas.origin == len(before)


def test_a_cell_of_another_language_is_read_as_that() -> None:
    notebooks, documents = notebook("a", "%%bash\nls", "b")
    assert notebooks.canvas(documents[uri(1)].snapshot(), documents).snapshot.language == "shellscript"
    assert notebooks.canvas(documents[uri(2)].snapshot(), documents).snapshot.language == "python"


def test_cells_can_be_moved_about() -> None:
    notebooks, documents = notebook("a", "b", "c")
    notebooks.splice(NOTEBOOK, 0, 2, [Cell(uri(1), True), Cell(uri(0), True)])
    assert notebooks.canvas(documents[uri(2)].snapshot(), documents).snapshot.text == "b\n\na\n\nc"
    notebooks.close(NOTEBOOK)
    assert notebooks.canvas(documents[uri(2)].snapshot(), documents).snapshot.text == "c"


def item(cell: int, text: str) -> dict[str, Any]:
    return {"uri": uri(cell), "languageId": "python", "version": 0, "text": text}


def cells(*numbers: int) -> list[dict[str, Any]]:
    return [{"kind": 2, "document": uri(n)} for n in numbers]


async def ghost(editor: Editor, cell: int, character: int) -> list[dict[str, Any]] | None:
    params = {
        "textDocument": {"uri": uri(cell)},
        "position": {"line": 0, "character": character},
        "context": {"triggerKind": 2},
    }
    answer = await editor.client.request(INLINE, params)
    return answer and list(answer["items"])


async def test_a_notebook_in_an_editor() -> None:
    async with editing() as editor:
        editor.script.rules({"before": "x = ", "fills": ["compute(1)"]})
        opened = {"uri": NOTEBOOK, "notebookType": "jupyter-notebook", "version": 0, "cells": cells(0, 1)}
        texts = [item(0, "import os"), item(1, "x ")]
        editor.client.notify("notebookDocument/didOpen", {"notebookDocument": opened, "cellTextDocuments": texts})
        here = {"line": 0, "character": 2}
        content = {
            "document": {"uri": uri(1), "version": 1},
            "changes": [{"range": {"start": here, "end": here}, "text": "= "}],
        }
        structure = {"array": {"start": 2, "deleteCount": 0, "cells": cells(2)}, "didOpen": [item(2, "done()")]}
        editor.client.notify(
            "notebookDocument/didChange",
            {
                "notebookDocument": {"uri": NOTEBOOK, "version": 1},
                "change": {"cells": {"structure": structure, "textContent": [content]}},
            },
        )
        items = await ghost(editor, 1, 4)
        end = {"line": 0, "character": 4}
        assert items
        assert (items[0]["insertText"], items[0]["range"]) == ("compute(1)", {"start": end, "end": end})
        (asked,) = await editor.asked(uri(1))
        assert asked["pieces"] == ["import os\n\nx = ", "\n\ndone()"]
        assert asked["path"] == "analysis.ipynb"
        explained = await editor.client.request("workspace/executeCommand", {"command": "seedfill.explain"})
        assert (explained["line"], explained["column"]) == (1, 5), "places are those of the cell"
        editor.client.notify(
            "notebookDocument/didClose",
            {"notebookDocument": {"uri": NOTEBOOK}, "cellTextDocuments": [{"uri": uri(n)} for n in range(3)]},
        )
        assert await ghost(editor, 1, 4) is None


async def test_an_ignored_notebook_is_not_edited(tmp_path: Path) -> None:
    (tmp_path / ".seedfillignore").write_text("*.ipynb\n")
    holder = (tmp_path / "analysis.ipynb").as_uri()
    async with editing() as editor:
        opened = {"uri": holder, "notebookType": "jupyter-notebook", "version": 0, "cells": cells(0)}
        editor.client.notify(
            "notebookDocument/didOpen", {"notebookDocument": opened, "cellTextDocuments": [item(0, "x = ▢")]}
        )
        params = {"command": "seedfill.fillHoles", "arguments": [uri(0)]}
        answer = await editor.client.request("workspace/executeCommand", params)
        assert answer["applied"] is False
        assert "analysis.ipynb is excluded by" in answer["reason"]


@pytest.mark.parametrize(
    ("text", "offers"),
    [("%pwd\nx = 1", []), ("%%time\nx = (", ["Repair what does not parse"]), ("\n%%bash\nif x; then y; fi", [])],
)
async def test_what_only_a_notebook_knows_is_not_repaired(text: str, offers: list[str]) -> None:
    async with editing() as editor:
        opened = {"uri": NOTEBOOK, "notebookType": "jupyter-notebook", "version": 0, "cells": cells(0)}
        editor.client.notify(
            "notebookDocument/didOpen", {"notebookDocument": opened, "cellTextDocuments": [item(0, text)]}
        )
        end = {"line": text.count("\n"), "character": 0}
        params = {"textDocument": {"uri": uri(0)}, "range": {"start": end, "end": end}, "context": {"diagnostics": []}}
        found = await editor.client.request("textDocument/codeAction", params)
        assert [action["title"] for action in found or []] == offers

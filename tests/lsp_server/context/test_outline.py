"""What a window on a long document keeps of what it leaves out."""

from __future__ import annotations

import pytest

from lsp_server.context.outline import IMPORT_CHARACTERS, SCOPE_CHARACTERS, imports, outlined, scopes
from sampler.text.windows import PREFIX_CHARACTERS

FILLER = "".join(f"        value_{n} = {n}\n" for n in range(400))


def test_a_text_that_fits_is_given_whole() -> None:
    assert outlined("import os\n" * 9) == "import os\n" * 9


def test_imports_and_scopes_come_before_the_window() -> None:
    before = f"import os\nfrom a import (\n    b,\n)\n\n\nclass A:\n    x = 1\n\n    def f(self):\n{FILLER}        y = "
    seen = outlined(before)
    assert seen.startswith("import os\nfrom a import (\nclass A:\n    def f(self):\n        value_")
    assert seen.endswith("        value_399 = 399\n        y = ")
    assert len(seen) <= PREFIX_CHARACTERS + IMPORT_CHARACTERS + SCOPE_CHARACTERS


def test_a_typed_character_only_appends() -> None:
    before = f"import os\n\n\nclass A:\n    def f(self):\n{FILLER}        y = "
    assert outlined(before + "z") == outlined(before) + "z"


@pytest.mark.parametrize(
    ("hidden", "window", "expected"),
    [
        ("class A:\n    def f():\n        x\n", "        y\n", "class A:\n    def f():\n"),
        ("class A:\n    def f():\n        x\n    def g():\n", "        y\n", "class A:\n    def g():\n"),
        ("def f():\n    x\n", "y = 1\n", ""),
        ("def f():\n    x\n", "\n    y\n", "def f():\n"),
        ("def f():\n    if x:\n        y\n", "        z\n", "def f():\n"),
        ("export class A {\n  f() {\n", "    y();\n", "export class A {\n"),
        ("def f(\n    a,\n):\n    x\n", "    y\n", "def f(\n"),
    ],
)
def test_the_scopes_of_a_window(hidden: str, window: str, expected: str) -> None:
    assert scopes(hidden, window) == expected


@pytest.mark.parametrize(
    "line", ["import a", "from a import b", "#include <a.h>", "use a;", "const a = require('a');", "import a from 'a'"]
)
def test_the_imports_of_a_document(line: str) -> None:
    assert imports(f"x\n{line}\n    import inner\nimportant = 1\n") == f"{line}\n"


def test_the_last_of_too_many_imports_are_kept() -> None:
    found = imports("".join(f"import module_{n}\n" for n in range(100)))
    assert len(found) <= IMPORT_CHARACTERS
    assert found.endswith("import module_99\n")

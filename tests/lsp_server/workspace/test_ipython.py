"""Magics and commands of a notebook's cell."""

from __future__ import annotations

import pytest

from lsp_server.workspace.ipython import as_code, hidden, language_of


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%matplotlib inline\nx = 1", "# %matplotlib inline\nx = 1"),
        ("if a:\n    !ls\n    b()", "if a:\n    # !ls\n    b()"),
        ("x = (a\n  % b)", "x = (a\n  % b)"),
        ("x = a \\\n  % b", "x = a \\\n  % b"),
        ("f(\n  'a)',\n%b\n)\n%pwd", "f(\n  'a)',\n%b\n)\n# %pwd"),
        ('"""\n% a\n!b\n"""\n!c', '"""\n% a\n!b\n"""\n# !c'),
        ("x = [  # it's ]\n%a\n]", "x = [  # it's ]\n%a\n]"),
        ("x = (\n%a", "x = (\n%a"),
        ("x = '\n%a", "x = '\n# %a"),
        ("!ls \\\n  -l\nx", "# !ls \\\n  # -l\nx"),
        ("x.head?\n?y\nz??\r\nw", "# x.head?\n# ?y\n# z??\r\nw"),
        ("# is it?\nx = 'a?'\n", "# is it?\nx = 'a?'"),
        ("/f x\n,g y", "# /f x\n# ,g y"),
        ("!echo '(\n%pwd\nx = (\n%a)", "# !echo '(\n# %pwd\nx = (\n%a)"),
        ('!echo """ [\nf("""\n%a""")\n%pwd', '# !echo """ [\nf("""\n%a""")\n# %pwd'),
        ("\nx = a % b\n\n", "x = a % b"),
    ],
)
def test_commands_of_a_notebook_are_comments_where_a_statement_could_begin(cell: str, expected: str) -> None:
    assert as_code(cell) == expected
    assert len(hidden(cell)) == len(cell)


def test_a_hidden_command_leaves_all_else_where_it_stood() -> None:
    assert hidden("\n%pwd\nif a:\n  !ls \\\n    -l\n  b(%c)") == "\n#pwd\nif a:\n  #ls \\\n    #l\n  b(%c)"


@pytest.mark.parametrize(
    ("cell", "language"),
    [
        ("%%bash\nls", "shellscript"),
        ("\n\n%%javascript\nf()", "javascript"),
        ("%%HTML\n<p>", "html"),
        ("%%! \nls", "shellscript"),
        ("%%writefile a.py\nx", "plaintext"),
        ("%%time\n%%sh\nls", "shellscript"),
        ("%%time\nx", None),
        ("%%timeit -n 3 x = 1\nx", None),
        ("x\n%%bash", None),
        ("%bash", None),
        ("%%bash?", None),
        ("", None),
    ],
)
def test_a_magic_says_whose_language_a_cell_is(cell: str, language: str | None) -> None:
    assert language_of(cell, "python") == language

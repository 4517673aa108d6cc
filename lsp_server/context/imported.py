"""Which files of a project a document imports, as far as its text alone tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

IMPORTS_WITHIN = 20_000
"""Characters at the beginning of a document in which its imports stand."""

_PYTHON = re.compile(r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import\b|import[ \t]+([\w.]+))", re.M)
_SCRIPT = re.compile(r"""(?:\bfrom|\bimport|\brequire\()\s*["'](\.[^"'\n]+)["']""")
_C = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"\n]+)"', re.M)
_SCRIPT_ENDINGS = ("", ".ts", ".tsx", ".js", ".jsx", ".mjs", "/index.ts", "/index.js")


def imported_files(path: Path, text: str, language: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Files that may be what the document at `path` imports, in its order; that they exist is not looked up."""
    find = _FINDERS.get(language)
    return iter(()) if find is None else find(path, text[:IMPORTS_WITHIN], tuple(folders))


def _python(path: Path, text: str, folders: tuple[Path, ...]) -> Iterator[Path]:
    for found in _PYTHON.finditer(text):
        module = found[1] or found[2] or ""
        name = module.lstrip(".")
        n_dots = len(module) - len(name)
        for root in _python_roots(path, n_dots, folders):
            target = root.joinpath(*name.split(".")) if name else root
            yield from (target.with_suffix(".py"), target / "__init__.py")


def _python_roots(path: Path, n_dots: int, folders: tuple[Path, ...]) -> Iterable[Path]:
    if n_dots:
        return path.parents[n_dots - 1 : n_dots]
    return (*folders, *(folder / "src" for folder in folders), path.parent)


def _script(path: Path, text: str, folders: tuple[Path, ...]) -> Iterator[Path]:
    for found in _SCRIPT.finditer(text):
        yield from (path.parent / f"{found[1]}{ending}" for ending in _SCRIPT_ENDINGS)


def _c(path: Path, text: str, folders: tuple[Path, ...]) -> Iterator[Path]:
    for found in _C.finditer(text):
        yield from (root / found[1] for root in (path.parent, *folders))


_FINDERS: dict[str, Callable[[Path, str, tuple[Path, ...]], Iterator[Path]]] = {
    "python": _python,
    "javascript": _script,
    "javascriptreact": _script,
    "typescript": _script,
    "typescriptreact": _script,
    "c": _c,
    "cpp": _c,
}

"""What holds for the whole repository: style, types, who imports whom, what must stay light, what must be there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIGHT_MODULES = [
    "seedfill.cli",
    "lsp_server.server",
    "lsp_server.__main__",
    "sampler.protocol.client",
    "sampler.protocol.messages",
    "sampler.service",
]


LINT_IMPORTS = "from importlinter.cli import lint_imports_command as run; run()"


@pytest.mark.parametrize(
    "arguments",
    [["-m", "ruff", "check", "."], ["-m", "mypy"], ["-c", LINT_IMPORTS, "--no-cache"]],
    ids=["ruff", "mypy", "import-linter"],
)
def test_a_checker_has_no_complaint(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"


def test_light_modules_do_not_load_torch() -> None:
    """One after the other in one process, which ends with the name of the first that does."""
    code = (
        "import importlib, sys\n"
        f"for module in {LIGHT_MODULES}:\n"
        "    importlib.import_module(module)\n"
        "    assert not {'torch', 'numpy'} & set(sys.modules), module\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_training_needs_no_editor_and_no_parser() -> None:
    code = (
        "import json, pkgutil, sys, importlib, seedfill.training\n"
        "for module in pkgutil.walk_packages(seedfill.training.__path__, 'seedfill.training.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "print(json.dumps(sorted({'tree_sitter', 'pygls', 'lsprotocol', 'lsp_server'} & set(sys.modules))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == []


def test_licence_and_notice_are_there() -> None:
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "sampler/weights/NOTICE" in (ROOT / "NOTICE").read_text()

"""Which files are left alone."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from lsp_server.privacy import MAX_CHARACTERS, refusal


@pytest.mark.parametrize(
    "path",
    [".env", ".env.local", "prod.env", "a/key.pem", "ID_RSA", "id_ed25519.pub", "server.key", ".netrc", "secrets.yaml",
     "/home/me/.ssh/config", "/home/me/.aws/credentials"],
)  # fmt: skip
def test_secrets_are_left_alone(path: str) -> None:
    assert "secrets" in (refusal(PurePosixPath(path), 10) or "")


@pytest.mark.parametrize("path", ["a.py", "environment.py", "keys.py", "env/a.py", "secret_santa.py", "Untitled-1"])
def test_code_is_not(path: str) -> None:
    assert refusal(PurePosixPath(path), 10) is None


def test_a_file_too_large_to_be_code_is_left_alone() -> None:
    assert refusal(PurePosixPath("a.py"), MAX_CHARACTERS) is None
    assert "characters" in (refusal(PurePosixPath("a.py"), MAX_CHARACTERS + 1) or "")

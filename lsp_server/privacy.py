"""Which files may be read or completed: never those that hold secrets, nor those too large to be code.

Each rule is a function of its own, so that ignore files can join the list.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import PurePath

MAX_CHARACTERS = 8_000_000
"""Above it a document is data, and each keystroke would copy it."""

SECRET_NAMES = (
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.gpg",
    "*.asc",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".htpasswd",
    ".pypirc",
    ".npmrc",
    ".git-credentials",
    "credentials",
    "credentials.json",
    "secrets.*",
)
SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws"})


def refusal(path: PurePath, n_characters: int) -> str | None:
    """Why the file at `path` must be left alone, in one sentence, or None where it may be used."""
    return next((reason for rule in RULES if (reason := rule(path, n_characters))), None)


def _holds_secrets(path: PurePath, n_characters: int) -> str | None:
    name = path.name.lower()
    named = any(fnmatch(name, pattern) for pattern in SECRET_NAMES)
    if named or SECRET_FOLDERS.intersection(path.parts):
        return f"{path.name} may hold secrets, so it is neither read nor completed."
    return None


def _is_too_large(path: PurePath, n_characters: int) -> str | None:
    if n_characters > MAX_CHARACTERS:
        return f"{path.name} has more than {MAX_CHARACTERS:,} characters, so it is not completed."
    return None


RULES: tuple[Callable[[PurePath, int], str | None], ...] = (_holds_secrets, _is_too_large)

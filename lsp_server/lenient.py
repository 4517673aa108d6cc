"""Messages read as far as they can be understood: what is unknown or malformed in them is left out, the rest is used.

Clients are newer than this server, or older, or careless. One value that nobody here needs, such as a kind of symbol
from a later version of the protocol, must not cost a person the whole editor session.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import cattrs
from cattrs.errors import AttributeValidationNote, BaseValidationError, IterableValidationNote

Key: TypeAlias = str | int
Path: TypeAlias = tuple[Key, ...]

NO_VERSION = -(1 << 31)
"""The version of a document whose client does not say it."""
DEFAULTS: dict[str, Any] = {
    "capabilities": {},
    "context": {"triggerKind": 1},
    "diagnostics": [],
    "languageId": "plaintext",
    "triggerKind": 1,
    "version": NO_VERSION,
}
"""What stands for a field that the protocol asks for and a client left out."""
ESSENTIAL = frozenset({"contentChanges", "cells"})
"""What may not be left out, nor anything in it but nulls: a document that misses a change is another one."""
MAX_ROUNDS = 64


def structure(converter: cattrs.Converter, message: dict[str, Any], kind: type[Any]) -> tuple[Any, list[str]]:
    """The typed message, and what of it was left out, by path.

    What cannot be read is dropped and the message read again; where a field is missing that an object needs, the
    object is dropped in its turn, but never the parameters as a whole. Raises cattrs' error then.
    """
    left_out: list[str] = []
    for _ in range(MAX_ROUNDS):
        try:
            return converter.structure(message, kind), left_out
        except Exception as error:
            fault = max(_faults(error), key=len)  # one at a time: the others may be in what goes with it
            message = copy.deepcopy(message)
            if not _mend(message, fault):
                raise
            left_out.append(".".join(map(str, fault)))
    return converter.structure(message, kind), left_out


def _faults(error: BaseException, path: Path = ()) -> Iterator[Path]:
    """Where each thing is that could not be read."""
    where = path + _place(error)
    if isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            yield from _faults(inner, where)
    else:
        yield where


def _place(error: BaseException) -> Path:
    notes = getattr(error, "__notes__", ())
    return tuple(
        note.index if isinstance(note, IterableValidationNote) else note.name
        for note in reversed(notes)
        if isinstance(note, IterableValidationNote | AttributeValidationNote)
    )


def _mend(message: dict[str, Any], path: Path) -> bool:
    """Put the default there, or take the value out, or what holds it; False where nothing would be left."""
    holders: list[tuple[Any, Key]] = []
    at: Any = message
    for name in path:
        key = _key_in(at, name)
        if key is None:
            break
        holders.append((at, key))
        at = at[key]
    missing = path[len(holders)] if len(holders) < len(path) else None
    if isinstance(at, dict) and isinstance(missing, str) and _camel(missing) in DEFAULTS:
        at[_camel(missing)] = copy.deepcopy(DEFAULTS[_camel(missing)])
        return True
    if len(holders) < 2:  # the parameters themselves
        return False
    holder, key = holders[-1]
    if holder[key] is not None and any(name in ESSENTIAL for _, name in holders):
        return False
    if isinstance(key, str) and key in DEFAULTS and holder[key] != DEFAULTS[key]:
        holder[key] = copy.deepcopy(DEFAULTS[key])
    else:
        del holder[key]
    return True


def _key_in(holder: Any, name: Key) -> Key | None:
    """Under which key `holder` has what the type calls `name`."""
    if isinstance(holder, list):
        return name if isinstance(name, int) and name < len(holder) else None
    if not isinstance(holder, dict) or not isinstance(name, str):
        return None
    return next((key for key in (name, _camel(name), name.rstrip("_")) if key in holder), None)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)

"""What a checkpoint's folder says of itself, read without torch and with care: its author need not be a friend."""

from __future__ import annotations

import json
import reprlib
from pathlib import Path
from typing import Any

from sampler.model.families import MAX_CONFIG_BYTES, Config
from sampler.protocol.regular_files import read_regular
from sampler.protocol.sentences import one_line

MAX_NUMBER = 10**12
"""Of what a config counts or scales by."""


class ModelError(ValueError):
    """A checkpoint that cannot be used; its text is one sentence for a person, whatever the checkpoint says."""

    def __init__(self, sentence: str) -> None:
        super().__init__(one_line(sentence))


def read_config(folder: Path) -> Config:
    """config.json of a checkpoint; raises ModelError with one sentence."""
    if not folder.is_dir():
        raise ModelError(f"There is no model at {folder}: name a folder with config.json and safetensors.")
    return read_object(folder, "config.json", MAX_CONFIG_BYTES)


def read_object(folder: Path, name: str, max_bytes: int) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint; raises ModelError with one sentence."""
    path = folder / name
    try:
        data = read_regular(path, max_bytes + 1, follow=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from None
    if data is None:
        raise ModelError(f"{folder} is no model: it has no {name}.")
    if len(data) > max_bytes:
        raise ModelError(f"{path} has more than {max_bytes >> 20} MB: fetch the model again.")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ModelError(f"{path} is not valid JSON: fetch the model again.") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path} is not a JSON object: fetch the model again.")
    return found


def tokenizer_config(folder: Path) -> Config:
    """tokenizer_config.json of a checkpoint, with the chat template where it lies apart; empty where there is none."""
    try:
        settings = read_object(folder, "tokenizer_config.json", MAX_CONFIG_BYTES)
    except ModelError:
        settings = {}
    try:
        template = read_regular(folder / "chat_template.jinja", MAX_CONFIG_BYTES, follow=True)
    except OSError:
        template = None
    return settings if template is None else settings | {"chat_template": template.decode("utf-8", "replace")}


def number(config: Config, key: str, kind: type[Any], default: Any = None) -> Any:
    """A positive number of a config, within reason; raises ModelError with one sentence."""
    value = config.get(key)
    value = default if value is None else value
    if not isinstance(value, int | kind) or isinstance(value, bool) or not 0 < value < MAX_NUMBER:
        raise ModelError(f"config.json must give {key!r} as a positive number, not {reprlib.repr(value)}.")
    return kind(value)

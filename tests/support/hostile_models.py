"""Folders of models as somebody would write them who means harm, and what must come of each: a sentence or a model."""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model import checkpoint, prepare
from sampler.model.folder import ModelError
from sampler.model.gguf_folder import write_folder
from sampler.protocol.messages import BadMessage, Event, InfillRequest
from seedfill.installed import check_folder, read_model
from tests.support.tiny_gguf import make_gguf
from tests.support.tiny_model import make_tiny_model

MAX_GROWTH_BYTES = 1 << 30
"""Of memory while a folder of a few hundred kilobytes is read."""

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"

WHOLE = [-1, 0, 1, 2, 3, 7, 255, 10**4, 2**31, 2**40, 2**63, 2**64 - 1, 10**400]
numbers = st.sampled_from([*WHOLE, -0.5, 0.5, 1e-300, 1e308, math.inf, math.nan])
ODD = ["", "a", "x" * 10_000, "a\x1b[2J", "\x00", "\ud800", "../../x", "/dev/zero", "(a+)+b", "[red]"]
texts = st.sampled_from(ODD)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
Draw = Callable[[st.SearchStrategy[Any]], Any]


@lru_cache
def originals(root: Path) -> dict[str, Path]:
    """A sound folder of each kind, by its name; "file" holds a GGUF file alone."""
    found = {family: make_tiny_model(root / family, family) for family in ("seedfill", "dream")}
    (found["dream"] / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE, "bos_token": "<a>"}))
    found["sharded"] = make_tiny_model(root / "sharded")
    _shard(found["sharded"])
    found["gguf"] = root / "gguf"
    found["gguf"].mkdir()
    path = make_gguf(found["gguf"] / "model.gguf")
    found["file"] = copy(found["gguf"], root / "file")
    write_folder(found["gguf"], path, name="tiny", licence="apache-2.0", languages=["python"])
    return found


def _shard(folder: Path) -> None:
    whole = folder / checkpoint.WEIGHTS
    tensors = load_file(whole)
    files = {name: f"{i % 2}.safetensors" for i, name in enumerate(sorted(tensors))}
    for file in set(files.values()):
        save_file({name: tensors[name] for name in tensors if files[name] == file}, folder / file)
    (folder / checkpoint.INDEX).write_text(json.dumps({"weight_map": files}))
    whole.unlink()


def spoil(draw: Draw, folder: Path) -> None:
    """Change one to three things in the folder's files."""
    files = sorted(folder.iterdir())
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(files))
        if not path.is_file() or path.is_symlink():
            continue
        kinds = [_replaced, _garbled] + [_rewritten] * 6 if path.suffix == ".json" else [_replaced] + [_garbled] * 4
        if path.suffix == ".safetensors":
            kinds += [_reheaded] * 4
        draw(st.sampled_from(kinds))(draw, path)


def _rewritten(draw: Draw, path: Path) -> None:
    """JSON with a value replaced, removed or added somewhere."""
    try:
        said = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    path.write_text(json.dumps(_changed(draw, said)))


def _changed(draw: Draw, said: Any) -> Any:
    if not said or not isinstance(said, dict | list) or draw(st.integers(0, 5)) == 0:
        return draw(values)
    keys = list(said) if isinstance(said, dict) else list(range(min(len(said), 20)))
    key = draw(st.sampled_from(keys))
    if isinstance(said, dict) and (fate := draw(st.integers(0, 9))) < 2:
        return {k: v for k, v in said.items() if k != key} if fate else said | {draw(texts): draw(values)}
    said[key] = _changed(draw, said[key])
    return said


def _reheaded(draw: Draw, path: Path) -> None:
    """A safetensors file with another header."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    with suppress(ValueError, RecursionError):
        header = json.dumps(_changed(draw, json.loads(data[8 : 8 + length]))).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])


def _garbled(draw: Draw, path: Path) -> None:
    """Cut off, or with some bytes or a length replaced, most of them near the beginning."""
    data = bytearray(path.read_bytes())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(min(len(data), draw(st.sampled_from([64, 4096, 1 << 30]))) - 1, 0)))
        kind = draw(st.integers(0, 9))
        if kind == 0:
            del data[at:]
        elif kind < 5:
            length = draw(st.sampled_from([0, 1, 2**16, 2**24, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1]))
            data[at : at + 8] = struct.pack("<Q", length)
        else:
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
    path.write_bytes(data)


def _replaced(draw: Draw, path: Path) -> None:
    """Something else in the file's place."""
    text = path.read_bytes()
    path.unlink()
    kinds: list[Callable[[], object]] = [
        lambda: None,
        lambda: path.mkdir(),
        lambda: os.mkfifo(path),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to(path),
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(b"[" * 100_000),
        lambda: path.write_bytes(b'{"a":' * 100_000),
        lambda: path.write_bytes(text + bytes(5_000_000)),
        lambda: path.write_bytes(draw(st.binary(max_size=100))),
        lambda: path.write_text("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
    ]
    draw(st.sampled_from(kinds))()


def check(folder: Path) -> bool:
    """Assert that `folder` is a model that works, or is refused with a sentence each time; whether it works."""
    with _bounded_memory():
        with _sentence():
            read_model(folder)
        is_sound = False
        with _sentence():
            check_folder(folder)
            is_sound = True
        works = False
        with _sentence():
            _fill(checkpoint.load(folder))
            works = True
        with _sentence():
            _fill(prepare.load(folder, torch.device("cpu")))
    assert is_sound or not works, "`models check` refuses what can be loaded"
    return works


def check_file(path: Path, folder: Path) -> None:
    """Assert that a GGUF file becomes a folder that `check` is content with, or is refused with a sentence."""
    with _bounded_memory(), _sentence():
        write_folder(folder, path, name="tiny", licence="apache-2.0", languages=[])
        check(folder)


def _fill(model: checkpoint.LoadedModel) -> None:
    heard, board = list[Event](), Scheduler()
    asked = InfillRequest(document="d", pieces=("def f(x):\n    ", "\n    return größe\n"), max_tokens=4)
    board.admit(Job(asked, heard.append), model)
    while board.active:
        board.round()
    model.tokenizer.encode("a" * 20_000 + " " * 20_000 + "😀" * 1000)


@contextmanager
def _sentence() -> Iterator[None]:
    """What may be said: one line that can be shown."""
    try:
        yield
    except (ModelError, BadMessage) as error:
        assert str(error).isprintable() and 0 < len(str(error)) <= 400, repr(str(error))[:1000]


@contextmanager
def _bounded_memory() -> Iterator[None]:
    before = _peak_bytes()
    yield
    assert _peak_bytes() - before < MAX_GROWTH_BYTES, f"{(_peak_bytes() - before) >> 20} MB for a small folder"


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def copy(original: Path, folder: Path) -> Path:
    """A fresh copy, whatever lay there before."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder)
    return folder

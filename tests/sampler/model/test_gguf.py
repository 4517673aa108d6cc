"""A GGUF file becomes a checkpoint folder that loads as the network it was; what is wrong with one is a sentence."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model import checkpoint, gguf_folder, prepare
from sampler.model.folder import ModelError
from sampler.model.gguf_file import config_of, open_gguf, tokenizer_of
from sampler.model.gguf_folder import write_folder
from sampler.model.network import Segment
from sampler.protocol.messages import BadMessage, Edit, Event, InfillRequest, InfillResult, Policy
from tests.support.tiny_gguf import SHAPE, make_gguf, tiny_qwen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("gguf"))


def written(folder: Path, *, spoilt: str = "") -> Path:
    path = make_gguf(folder / "model.gguf", spoilt=spoilt)
    write_folder(folder, path, name="tiny-qwen", licence="apache-2.0", languages=[])
    return folder


def test_the_network_is_the_one_that_was_stored(folder: Path) -> None:
    loaded, stored = checkpoint.load(folder), tiny_qwen()
    assert (loaded.id, loaded.profile.name, loaded.max_positions) == ("tiny-qwen", "qwen-coder", 512)
    tokens, positions = torch.arange(20), torch.arange(20)
    one = [Segment(20, (), True)]
    ours, theirs = (network.read(tokens, positions, one).hidden for network in (loaded.network, stored))
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("stored", ["F32", "F16", "BF16", "Q8_0", "Q5_0"])
def test_weights_are_those_of_the_file_read_in_parts(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_folder, "AT_ONCE", 1000)
    path = make_gguf(tmp_path / "model.gguf", stored=stored)
    write_folder(tmp_path, path, name="tiny-qwen", licence="apache-2.0", languages=[])
    found, kind = checkpoint.load(tmp_path).backbone.state_dict(), gguf.GGMLQuantizationType[stored]
    for name, weight in tiny_qwen().state_dict().items():
        exact = weight.numpy()
        if weight.ndim == 2:
            exact = gguf.dequantize(gguf.quantize(exact, kind), kind)
        assert np.array_equal(found[name].numpy(), exact), name


def test_what_the_file_says_is_told_in_hugging_faces_words(folder: Path) -> None:
    config = config_of(open_gguf(folder / "model.gguf"))
    assert (config["num_hidden_layers"], config["num_key_value_heads"]) == (SHAPE["n_layers"], SHAPE["n_kv_heads"])
    assert (config["rope_theta"], config["rms_norm_eps"]) == (1e6, 1e-6)


@pytest.mark.parametrize("text", ["def f(x):\n        return x\n", "größe → 计算 😀", "<|fim_middle|>", ""])
def test_text_comes_back_and_reserved_tokens_in_it_are_text(folder: Path, text: str) -> None:
    tokenizer = checkpoint.load(folder).tokenizer
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.id("<|fim_middle|>") not in ids


def patched(at: int, value: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[at : at + len(value)] = value
        path.write_bytes(data)

    return damage


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read as a GGUF file"),
        (lambda path: path.write_bytes(b"x" * 100), "no GGUF file of version 3"),
        (patched(4, struct.pack("<I", 2)), "no GGUF file of version 3"),
        (patched(8, struct.pack("<Q", 1 << 62)), "claims 4611686018427387904 tensors"),
        (patched(16, struct.pack("<Q", 1 << 63)), "fields"),
        (patched(24, struct.pack("<Q", 1 << 62)), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4000]), "damaged|cut off"),
        (lambda path: path.unlink(), "cannot be read"),
    ],
)
def test_a_damaged_file_is_one_sentence(damage: Callable[[Path], object], sentence: str, tmp_path: Path) -> None:
    path = make_gguf(tmp_path / "model.gguf")
    damage(path)
    with pytest.raises(ModelError, match=sentence) as caught:
        file = open_gguf(path)
        config_of(file), tokenizer_of(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tensors.json", "{"),
        ("tensors.json", "[]"),
        ("tensors.json", json.dumps({"file": "../../etc/passwd", "tensors": {}})),
        ("tensors.json", json.dumps({"file": "model.gguf", "tensors": {"a": {"type": "Q2_K"}}})),
    ],
)
def test_a_damaged_folder_is_one_sentence(name: str, text: str, tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / name).write_text(text)
    with pytest.raises(ModelError):
        checkpoint.load(folder)


def test_numbers_that_are_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "m"
    folder.mkdir()
    written(folder, spoilt="model.layers.1.mlp.up_proj.weight")
    for load in (lambda: checkpoint.load(folder), lambda: prepare.load(folder, torch.device("cpu"))):
        with pytest.raises(ModelError, match="not finite"):
            load()
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("policy", ["sequential", "lookup", None])
def test_it_fills_a_gap_token_by_token(folder: Path, policy: Policy | None) -> None:
    """Whatever drafts, what comes out is what one token after the other would be."""
    texts = {answer(folder, policy=each).candidates[0].fills for each in (policy, "sequential")}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"policy": "threshold"}, "fills no masks: choose sequential or lookup"),
        ({"policy": "fused"}, "fills no masks"),
        ({"pieces": ("a", "b", "c")}, "one hole at a time"),
        ({"edit": Edit(selection="x = 1"), "instruction": "add type hints"}, "only fills gaps"),
    ],
)
def test_what_it_was_not_taught_is_refused(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadMessage, match=sentence):
        answer(folder, **changes)


def answer(folder: Path, **changes: Any) -> InfillResult:
    heard, board = list[Event](), Scheduler()
    asked = {"document": "d", "pieces": ("def f(x):\n        ", "\n    return x\n"), "max_tokens": 12, **changes}
    board.admit(Job(InfillRequest(**asked), heard.append), checkpoint.load(folder))
    while board.active:
        board.round()
    (result,) = (event for event in heard if isinstance(event, InfillResult))
    return result

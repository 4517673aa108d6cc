"""Checkpoints load as they were saved; a damaged one is refused with a sentence that names the damage."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sampler.model import checkpoint
from sampler.model.attention import Causal
from sampler.model.families.chat import chat_frame
from sampler.model.folder import ModelError
from tests.support.tiny_model import edit_config, make_tiny_model, tiny_backbone, tiny_tokenizer

WEIGHTS = "model.safetensors"


def logits(backbone: torch.nn.Module) -> torch.Tensor:
    tokens = torch.arange(40, 60)[None]
    return backbone.logits(backbone(tokens, torch.arange(20), Causal()))  # type: ignore[operator, no-any-return]


@pytest.mark.parametrize("changes", [{}, {"qk_norm": False, "qkv_bias": True}, {"tie_embeddings": False}])
def test_load_gives_back_what_save_wrote(changes: dict[str, bool], tmp_path: Path) -> None:
    backbone = tiny_backbone(**changes)
    own = {"block_size": 8, "languages": ["python"], "layout_version": 1, "name": "tiny"}
    checkpoint.save(tmp_path / "m", backbone, tiny_tokenizer(), max_positions=512, seedfill=own)
    model = checkpoint.load(tmp_path / "m")
    assert model.backbone.config == backbone.config
    assert (model.id, model.max_positions, model.profile.block_size) == ("tiny", 512, 8)
    assert torch.equal(logits(model.backbone), logits(backbone))
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in (tmp_path / "m").iterdir())
    assert model.n_bytes == checkpoint.memory_needed(tmp_path / "m", torch.float32)
    assert model.tokenizer.encode("def f():\n    pass") == tiny_tokenizer().encode("def f():\n    pass")


def test_bfloat16_halves_the_file_and_keeps_the_weights_near(tmp_path: Path) -> None:
    backbone = tiny_backbone()
    own = {"block_size": 8, "languages": ["python"], "layout_version": 1}
    checkpoint.save(tmp_path, backbone, tiny_tokenizer(), max_positions=512, seedfill=own, dtype=torch.bfloat16)
    n_weights = sum(p.numel() for p in backbone.parameters())
    assert (tmp_path / WEIGHTS).stat().st_size < 2 * n_weights + 10_000
    for ours, theirs in zip(checkpoint.load_backbone(tmp_path).parameters(), backbone.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=0.01)


def test_sharded_weights_load(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "m")
    whole = checkpoint.load_backbone(folder)
    tensors = load_file(folder / WEIGHTS)
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in shards.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    (folder / WEIGHTS).unlink()
    weight_map = {name: file for file, part in shards.items() for name in part}
    (folder / checkpoint.INDEX).write_text(json.dumps({"weight_map": weight_map}))
    assert torch.equal(logits(checkpoint.load_backbone(folder)), logits(whole))
    (folder / "b.safetensors").unlink()
    with pytest.raises(ModelError, match=r"b\.safetensors"):
        checkpoint.load(folder)


def truncate(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def rewrite(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)

    return apply


NORM = "model.norm.weight"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncate, "truncated or damaged"),
        (lambda f: (f / WEIGHTS).write_bytes(b"not weights at all"), "truncated or damaged"),
        (lambda f: (f / WEIGHTS).unlink(), "only safetensors are read"),
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "not a JSON object"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "not a tokenizer"),
        (rewrite(lambda t: t.pop(NORM)), "lacks the tensor model.norm.weight"),
        (rewrite(lambda t: t.update({"model.norm.bias": t[NORM].clone()})), "has a tensor model.norm.bias"),
        (rewrite(lambda t: t.update({NORM: t[NORM][:-1].clone()})), r"model.norm.weight is \[47\]"),
        (rewrite(lambda t: t.update({NORM: t[NORM].int()})), "holds I32"),
        (rewrite(lambda t: t[NORM].fill_(float("nan"))), "not finite"),
        (lambda f: edit_config(f, hidden_size=64), "config.json makes it"),
        (lambda f: edit_config(f, hidden_size="48"), "'hidden_size' as a positive number"),
        (lambda f: edit_config(f, num_hidden_layers=3), r"lacks the tensor model.layers.2"),
        (lambda f: edit_config(f, rope_scaling={"rope_type": "yarn"}), "'yarn' rope scaling"),
        (lambda f: edit_config(f, hidden_act="gelu"), "hidden_act 'gelu'"),
        (lambda f: edit_config(f, vocab_size=100), "fewer"),
        (lambda f: edit_config(f, architectures=["GptOss"]), "declares GptOss"),
        (lambda f: edit_config(f, architectures=None), "declares no architecture"),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_a_sentence(
    damage: Callable[[Path], object], sentence: str, tmp_path: Path
) -> None:
    folder = make_tiny_model(tmp_path / "m")
    damage(folder)
    with pytest.raises(ModelError, match=sentence) as caught:
        checkpoint.load(folder)
    assert "\n" not in str(caught.value)


def a_pipe(name: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return make


def a_device(name: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("/dev/zero")

    return make


def normaliser(step: dict[str, Any]) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        path = folder / "tokenizer.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"normalizer": step}))

    return make


def an_index(weight_map: object) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / checkpoint.INDEX).write_text(json.dumps({"weight_map": weight_map}))

    return make


def a_claim_of_a_terabyte(folder: Path) -> None:
    """A header's claim, without the file's length: one that is sparse may be mapped, or may not."""
    head = json.dumps({"x": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}}).encode()
    (folder / WEIGHTS).write_bytes(len(head).to_bytes(8, "little") + head)


def tokenizer(**changes: Any) -> Callable[[Path], object]:
    """tokenizer.json with changes, and those of "model" within its model."""

    def make(folder: Path) -> None:
        path = folder / "tokenizer.json"
        said = json.loads(path.read_text())
        model = said["model"] | changes.pop("model", {})
        path.write_text(json.dumps(said | changes | {"model": model}))

    return make


def split(pattern: str) -> Callable[[Path], object]:
    step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [step]})


OWN = {"block_size": 8, "languages": ["python"], "layout_version": 1}


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda f: edit_config(f, num_hidden_layers=10**9), "claims 1,000,000,000 layers"),
        (lambda f: edit_config(f, vocab_size=10**9), "claims 1,000,000,000 tokens"),
        (lambda f: edit_config(f, intermediate_size=10**9), "wider layers"),
        (lambda f: edit_config(f, vocab_size="many"), "'vocab_size' as a positive number"),
        (lambda f: edit_config(f, num_key_value_heads=3), "heads that cannot be shared out"),
        (lambda f: edit_config(f, head_dim=1 << 30), "wider layers"),
        (lambda f: edit_config(f, rope_theta=10**400), "'rope_theta' as a positive number"),
        (lambda f: edit_config(f, rope_theta=1e-300), "'rope_theta' as at least 1"),
        (lambda f: edit_config(f, rms_norm_eps=float("nan")), "'rms_norm_eps' as a positive number"),
        (lambda f: edit_config(f, rms_norm_eps=-1.0), "'rms_norm_eps' as a positive number"),
        (lambda f: edit_config(f, rope_scaling="x" * 10**6), "rotation as an object"),
        (lambda f: edit_config(f, rope_scaling=[1]), "rotation as an object"),
        (lambda f: edit_config(f, architectures=["A" * 10**6]), "declares AAAA"),
        (lambda f: edit_config(f, architectures=["A\x1b[2J"]), r"declares A\\x1b"),
        (lambda f: edit_config(f, seedfill=OWN | {"languages": [1, None]}), "'languages' as a list of names"),
        (lambda f: edit_config(f, seedfill=OWN | {"threshold": float("inf")}), "'threshold' as float"),
        (lambda f: edit_config(f, seedfill=OWN | {"threshold": 7}), "'threshold' from 0 to 1"),
        (lambda f: edit_config(f, seedfill="x" * 10**6), "'seedfill' as dict"),
        (an_index({"a": 5}), "index.json is damaged"),
        (an_index({"a": "../../secret"}), "index.json is damaged"),
        (an_index({"a": ["x"]}), "index.json is damaged"),
        (an_index(5), "index.json is damaged"),
        (a_claim_of_a_terabyte, "truncated or damaged"),
        (lambda f: (f / WEIGHTS).write_bytes((50 << 20).to_bytes(8, "little") + b" " * (50 << 20)), "a header of"),
        (tokenizer(model={"type": "Unigram"}), "'Unigram' is not BPE"),
        (tokenizer(model={"vocab": {"a": 4_000_000_000}, "merges": []}), "with ids up to"),
        (tokenizer(pre_tokenizer={"type": "Metaspace"}), "'Metaspace' is not one of"),
        (tokenizer(pre_tokenizer=5), "is not a tokenizer"),
        (split("(a+)+b"), "may take for ever"),
        (split("a+a+a+a+b"), "may take for ever"),
        (split(r"(a)\1"), "may take for ever"),
        (split("x" * 10**6), "may take for ever"),
        (lambda f: (f / "config.json").write_text("[" * 100_000), "not valid JSON"),
        (a_pipe("config.json"), "no config.json"),
        (a_device("config.json"), "no config.json"),
        (a_pipe("tokenizer.json"), "no tokenizer"),
        (a_device("tokenizer.json"), "no tokenizer"),
        (
            normaliser({"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 10**6}),
            "'Replace' is not one that only spells letters otherwise",
        ),
        (normaliser({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "x" * 10**6}]}), "'Prepend'"),
    ],
)
def test_a_folder_that_means_harm_is_refused_with_a_sentence(
    harm: Callable[[Path], object], sentence: str, tmp_path: Path
) -> None:
    """Within the memory and the time that any folder takes."""
    folder = make_tiny_model(tmp_path / "m")
    harm(folder)
    with pytest.raises(ModelError, match=sentence) as caught:
        checkpoint.load(folder)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 4000000000 }}",
        "{% for a in range(99999) %}" * 3 + "{% endfor %}" * 3,
        "{{ ().__class__.__bases__ }}",
    ],
)
def test_a_template_that_means_harm_is_left_out(template: str) -> None:
    assert chat_frame({"chat_template": template}) is None


@pytest.mark.parametrize("name", [["x"], "n" * 10**6, "a\x1b[2J", "a\nb", "", 5])
def test_a_name_that_cannot_be_shown_is_the_folder_s(name: object, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "m")
    edit_config(folder, seedfill=OWN | {"name": name})
    assert checkpoint.describe(folder).id == "m"


def test_what_a_tokenizer_says_of_lengths_is_left_out(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "m")
    padding = {"direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>", "pad_to_multiple_of": None}
    truncation = {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}
    tokenizer(padding=padding | {"strategy": {"Fixed": 10**9}}, truncation=truncation, model={"dropout": 0.9})(folder)
    tokens = checkpoint.describe(folder).tokenizer.encode("def f(a):\n    return a")
    assert tokens == tiny_tokenizer().encode("def f(a):\n    return a")


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model at"):
        checkpoint.load(tmp_path / "nowhere")

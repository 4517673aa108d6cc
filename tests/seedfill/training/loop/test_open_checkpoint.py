import json
from pathlib import Path

import pytest
import torch
from tokenizers import trainers

from sampler.model import checkpoint
from sampler.model.folder import ModelError
from sampler.model.layout import LIVE_MARKER
from sampler.model.tokenizer import RESERVED, Tokenizer
from seedfill.training.data import bpe, smoke_files
from seedfill.training.loop import runs
from seedfill.training.loop.open_checkpoint import is_open, read_open
from tests.support.tiny_model import LINES, edit_config, make_tiny_model


def _foreign_tokenizer() -> Tokenizer:
    """A byte-level BPE with a special token of its own and none of ours."""
    learned = bpe.untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=bpe.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learned.train_from_iterator(LINES * 2, trainer)
    return Tokenizer(learned)


def _qwen(folder: Path) -> Path:
    make_tiny_model(folder, "dream")
    edit_config(folder, architectures=["Qwen2ForCausalLM"], model_type="qwen2", mask_token_id=None)
    _foreign_tokenizer().save(folder / "tokenizer.json")
    return folder


def test_a_vocabulary_gets_the_reserved_tokens_it_lacks(tmp_path: Path) -> None:
    opened = read_open(_qwen(tmp_path / "qwen"))
    ids = {opened.tokenizer.id(name) for name in RESERVED}
    n_own = _foreign_tokenizer().vocab_size
    assert min(ids) >= n_own
    assert opened.network.vocab_size == len(opened.weights["model.embed_tokens.weight"]) == n_own + len(RESERVED)
    text = LINES[0] + "<mask>"
    assert opened.tokenizer.decode(opened.tokenizer.encode(text)) == text
    old = checkpoint.load_backbone(tmp_path / "qwen").model.embed_tokens.weight
    new = opened.weights["model.embed_tokens.weight"]
    assert torch.equal(new[: len(old)], old)
    assert torch.allclose(new[-1], old.mean(0), atol=1e-6)


@pytest.mark.parametrize("family", ["qwen", "dream"])
def test_an_open_checkpoint_is_tuned_by_the_same_recipe_and_becomes_a_model_of_ours(
    family: str, tmp_path: Path
) -> None:
    folder = _qwen(tmp_path / family) if family == "qwen" else make_tiny_model(tmp_path / family, "dream")
    assert is_open(folder)
    request = runs.Request(
        folder=tmp_path / "state",
        corpus=tmp_path,
        resume_from=folder,
        n_steps=12,
        export=tmp_path / "tuned",
    )
    figures = runs.run("edit-smoke", request, lambda entry: None)
    assert figures["heldout_masked_plain"] > 0
    tuned = checkpoint.load(tmp_path / "tuned")
    assert tuned.profile.name == "seedfill"
    assert tuned.profile.live_marker_id == tuned.tokenizer.id(LIVE_MARKER)
    started = read_open(folder).weights["model.layers.0.self_attn.q_proj.weight"]
    now = tuned.backbone.model.layers[0].self_attn.q_proj.weight  # type: ignore[union-attr]
    assert not torch.equal(started, now)
    assert float((started - now).abs().mean()) < float(started.abs().mean())
    text = smoke_files.codec_documents()[0].text
    assert tuned.tokenizer.decode(tuned.tokenizer.encode(text)) == text
    assert not is_open(tmp_path / "tuned")


def test_what_is_no_checkpoint_is_said(tmp_path: Path) -> None:
    folder = _qwen(tmp_path / "qwen")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="is not a tokenizer"):
        read_open(folder)
    (folder / "config.json").write_text(json.dumps({"architectures": ["Qwen2ForCausalLM"]}))
    request = runs.Request(folder=tmp_path, corpus=tmp_path, resume_from=folder, n_steps=1)
    with pytest.raises(runs.BadRun):
        runs.run("edit-smoke", request, lambda entry: None)

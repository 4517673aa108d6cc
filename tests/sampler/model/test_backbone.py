"""The network computes what transformers' own implementations compute from the same random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sampler.model import checkpoint
from sampler.model.attention import Causal

SHAPE = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rope_theta": 50_000.0,
}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("Llama", {"tie_word_embeddings": False, "rms_norm_eps": 1e-5}),
        ("Qwen2", {"tie_word_embeddings": False}),
        ("Qwen2", {"tie_word_embeddings": True}),
        ("Qwen3", {"tie_word_embeddings": True, "head_dim": 16}),
    ],
)
def test_logits_equal_transformers(family: str, changes: dict[str, object], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**SHAPE, **changes)
    theirs = getattr(transformers, f"{family}ForCausalLM")(config).float().eval()
    for name, parameter in theirs.named_parameters():
        torch.nn.init.normal_(parameter, std=0.3, mean=1.0 if "norm" in name else 0.0)
    theirs.save_pretrained(tmp_path, safe_serialization=True)
    ours = checkpoint.load_backbone(tmp_path)
    tokens = torch.randint(97, (2, 33))
    with torch.no_grad():
        expected = theirs(tokens).logits
        got = ours.logits(ours(tokens, torch.arange(33), Causal()))
    assert (got - expected).abs().max() < 1e-4
    assert expected.abs().max() > 1, "logits too small for the comparison to mean anything"

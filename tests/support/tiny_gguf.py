"""A tiny random model as a GGUF file, as the catalogue's models are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from sampler.model.backbone import Backbone, BackboneConfig
from sampler.model.families.qwen_coder import END_NAMES
from sampler.model.tokenizer import _BYTE_OF

SPECIAL = (*END_NAMES, "<|im_start|>")
SHAPE: dict[str, Any] = {
    "vocab_size": 256 + 64,
    "hidden_size": 64,
    "intermediate_size": 96,
    "n_layers": 2,
    "n_heads": 4,
    "n_kv_heads": 2,
    "head_dim": 16,
    "rope_theta": 1e6,
    "qkv_bias": True,
    "qk_norm": False,
}
TENSORS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def tiny_qwen() -> Backbone:
    """The network that the file holds."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = Backbone(BackboneConfig(**SHAPE))  # type: ignore[arg-type]
        for parameter in backbone.parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.3)
    return backbone.requires_grad_(False).eval()


def make_gguf(path: Path, *, spoilt: str = "", stored: str = "F32") -> Path:
    """Write the file, its matrices stored as said; the tensor of the name `spoilt` holds a number that is none."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_context_length(512)
    writer.add_embedding_length(SHAPE["hidden_size"])
    writer.add_block_count(SHAPE["n_layers"])
    writer.add_feed_forward_length(SHAPE["intermediate_size"])
    writer.add_head_count(SHAPE["n_heads"])
    writer.add_head_count_kv(SHAPE["n_kv_heads"])
    writer.add_rope_freq_base(SHAPE["rope_theta"])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    letters = sorted(_BYTE_OF, key=_BYTE_OF.__getitem__)
    letters.append("ĠĠ")
    n_unused = int(SHAPE["vocab_size"]) - len(letters) - len(SPECIAL)
    tokens = [*letters, *SPECIAL, *(f"[PAD{i}]" for i in range(n_unused))]
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(letters) + [3] * len(SPECIAL) + [5] * n_unused)
    writer.add_token_merges(["Ġ Ġ"])
    for name, value in tiny_qwen().state_dict().items():
        if name != "lm_head.weight":
            data = value.float().numpy().copy()
            if name == spoilt:
                data.flat[0] = np.nan
            kind = gguf.GGMLQuantizationType[stored if data.ndim == 2 else "F32"]
            writer.add_tensor(_name(name), gguf.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _name(name: str) -> str:
    plain = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in plain:
        return plain[name]
    layer, _, rest = name.removeprefix("model.layers.").partition(".")
    part, _, ending = rest.rpartition(".")
    return f"blk.{layer}.{TENSORS[part]}.{ending}"

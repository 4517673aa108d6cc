"""A GGUF file → what a checkpoint folder says of itself: shape, tokenizer, chat template, and where its tensors lie.

GGUF v3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), read by the `gguf` package; nothing of the file is
ever run. Only what the Qwen2 family needs is understood, the rest is refused by name.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sampler.model.families.profile import Config
from sampler.model.folder import ModelError
from sampler.model.gguf_directory import READ_TYPES
from sampler.model.gguf_header import MAX_DIMENSIONS, check_header

if TYPE_CHECKING:
    from gguf import GGUFReader, ReaderTensor
    from tokenizers import Tokenizer as Bpe

CONTROL, USER_DEFINED = 3, 4
"""Kinds of tokens that stand for no text."""

_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where Qwen2's tokenizer cuts a text before it merges bytes."""

_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LAYER_NAMES = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_q.bias": "self_attn.q_proj.bias",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_k.bias": "self_attn.k_proj.bias",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_v.bias": "self_attn.v_proj.bias",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
}


@dataclass(frozen=True, slots=True, eq=False)
class GgufFile:
    """An open file: its fields by name, and its tensors by the names that Hugging Face's checkpoints give them."""

    path: Path
    fields: Mapping[str, Any]
    tensors: Mapping[str, ReaderTensor]

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's shape, rows first."""
        return tuple(int(n) for n in reversed(self.tensors[name].shape))


def open_gguf(path: Path) -> GgufFile:
    """Read a file's directory; its weights are mapped into memory. Raises ModelError with one sentence."""
    from gguf import GGUFReader

    check_header(path)
    try:
        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except Exception as error:  # the package raises whatever numpy, struct or its own enums do
        raise ModelError(f"{path} is damaged ({type(error).__name__}: {error}): fetch it again.") from None
    return GgufFile(path, fields, _named(path, reader, path.stat().st_size))


def config_of(file: GgufFile) -> Config:
    """The shape under Hugging Face's keys, as config.json has it. Raises ModelError."""
    architecture = file.fields.get("general.architecture")
    if architecture != "qwen2":
        raise ModelError(f"{file.path} holds a network of kind {architecture!r}: only qwen2 is read from GGUF files.")
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": file.shape("model.embed_tokens.weight")[0],
        "hidden_size": _count(file, "embedding_length"),
        "intermediate_size": _count(file, "feed_forward_length"),
        "num_hidden_layers": _count(file, "block_count"),
        "num_attention_heads": _count(file, "attention.head_count"),
        "num_key_value_heads": _count(file, "attention.head_count_kv"),
        "max_position_embeddings": _count(file, "context_length"),
        "rope_theta": _positive(file, "rope.freq_base"),
        "rms_norm_eps": _positive(file, "attention.layer_norm_rms_epsilon"),
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "eos_token_id": file.fields.get("tokenizer.ggml.eos_token_id"),
    }


def tokenizer_of(file: GgufFile) -> Bpe:
    """The file's byte-level BPE. Raises ModelError where it is of another kind."""
    from tokenizers import AddedToken, Regex, decoders, normalizers, pre_tokenizers
    from tokenizers import Tokenizer as Bpe
    from tokenizers.models import BPE

    kind = file.fields.get("tokenizer.ggml.model"), file.fields.get("tokenizer.ggml.pre")
    if kind != ("gpt2", "qwen2"):
        raise ModelError(f"{file.path} has a tokenizer of kind {kind!r}: only Qwen2's is read from GGUF files.")
    texts, kinds = file.fields.get("tokenizer.ggml.tokens"), file.fields.get("tokenizer.ggml.token_type")
    merges = file.fields.get("tokenizer.ggml.merges")
    if not isinstance(texts, list) or not isinstance(kinds, list) or not isinstance(merges, list):
        raise ModelError(f"{file.path} lacks its tokenizer: fetch it again.")
    vocabulary = {text: i for i, text in enumerate(texts)}
    if len(vocabulary) != len(texts) or len(kinds) != len(texts):
        raise ModelError(f"{file.path} has a damaged tokenizer: fetch it again.")
    special = [text for text, kind in zip(texts, kinds, strict=True) if kind in (CONTROL, USER_DEFINED)]
    used = len(texts) - sum(1 for _ in itertools.takewhile(_is_unused, reversed(list(zip(texts, kinds, strict=True)))))
    try:
        pairs = [_pair(merge) for merge in merges]
        bpe = Bpe(BPE({text: i for text, i in vocabulary.items() if i < used}, pairs))
    except Exception as error:  # the Rust library raises bare Exception
        raise ModelError(f"{file.path} has a damaged tokenizer ({error}): fetch it again.") from None
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    return bpe


def _named(path: Path, reader: GGUFReader, size: int) -> dict[str, ReaderTensor]:
    """The tensors under Hugging Face's names, each of a type that is read, within the file and apart from others."""
    tensors: dict[str, ReaderTensor] = {}
    end = 0
    for tensor in sorted(reader.tensors, key=lambda t: int(t.data_offset)):
        if tensor.tensor_type.name not in READ_TYPES:
            raise ModelError(f"{path} stores {tensor.name} as {tensor.tensor_type.name}, which is not read.")
        shape = [int(n) for n in tensor.shape]
        if not 1 <= len(shape) <= MAX_DIMENSIONS or math.prod(shape) <= 0 or int(tensor.data_offset) < end:
            raise ModelError(
                f"{path} is damaged: {tensor.name} lies over another tensor or has no shape; fetch it again."
            )
        end = int(tensor.data_offset) + int(tensor.n_bytes)
        if end > size:
            raise ModelError(f"{path} is cut off: {tensor.name} ends behind it; fetch it again.")
        name = _hugging_face_name(tensor.name)
        if name is None or name in tensors:
            raise ModelError(f"{path} has a tensor {tensor.name} that no known shape has.")
        tensors[name] = tensor
    if "model.embed_tokens.weight" not in tensors:
        raise ModelError(f"{path} has no embedding: it is no language model.")
    return tensors


def _hugging_face_name(name: str) -> str | None:
    block, _, rest = name.partition(".")
    if block != "blk":
        return _NAMES.get(name)
    layer, _, part = rest.partition(".")
    return f"model.layers.{layer}.{_LAYER_NAMES[part]}" if part in _LAYER_NAMES and layer.isdigit() else None


def _count(file: GgufFile, key: str) -> int:
    value = file.fields.get(f"qwen2.{key}")
    if not isinstance(value, int) or not 0 < value < 1 << 31:
        raise ModelError(f"{file.path} must give qwen2.{key} as a positive number, not {value!r}.")
    return value


def _positive(file: GgufFile, key: str) -> float:
    value = file.fields.get(f"qwen2.{key}")
    if not isinstance(value, int | float) or not 0 < value < 1e12:
        raise ModelError(f"{file.path} must give qwen2.{key} as a positive number, not {value!r}.")
    return float(f"{value:.7g}")  # stored as a float32: 1e-6 is 9.99999997e-7 in there


def _pair(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right


def _is_unused(entry: tuple[str, int]) -> bool:
    """Whether a row of the vocabulary was added to make its length round: it has a name but stands for nothing."""
    return entry[0].startswith("[PAD")

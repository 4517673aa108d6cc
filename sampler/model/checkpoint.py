"""A folder in Hugging Face's layout → a loaded model, and back: config.json, safetensors, tokenizer.json.

Weights come from safetensors alone; a checkpoint's own code is never run. Every tensor's name and shape is checked
against the network before anything is kept.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sampler.model.backbone import Backbone, BackboneConfig
from sampler.model.families import Config, FamilyProfile, UnknownFamily, model_id, recognise
from sampler.model.folder import ModelError, number, read_config, read_object, tokenizer_config
from sampler.model.gguf_directory import is_gguf_folder
from sampler.model.gguf_folder import GgufTensors
from sampler.model.network import Network
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.whole import whole_file

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = {"F64", "F32", "F16", "BF16"}
MAX_INDEX_BYTES = 16 << 20
READABLE = 0o644
_LAYER = re.compile(r"model\.layers\.(\d{1,6})\.")

Stamp: TypeAlias = tuple[tuple[str, int, int, int], ...]
OnProgress = Callable[[float], None]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LoadedModel:
    """A network with what belongs to it, ready for use on its device."""

    id: str
    backbone: Backbone = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    profile: FamilyProfile = field(repr=False)
    is_forbidden: Tensor = field(repr=False)
    """(V,) bool: tokens that are never predicted."""
    max_positions: int
    n_bytes: int
    device: torch.device
    dtype: torch.dtype
    served_by: Network | None = field(default=None, repr=False)
    """Another backend that computes in the backbone's stead, whose weights are not in memory then."""

    @property
    def network(self) -> Network:
        """The network as decoding knows it."""
        return self.backbone if self.served_by is None else self.served_by


def load(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    on_progress: OnProgress | None = None,
) -> LoadedModel:
    """Load a checkpoint; raises ModelError with one sentence, or torch's own error where memory does not suffice."""
    about = describe(folder)
    backbone = load_backbone(folder, device, dtype, on_progress)
    return loaded(about.id, backbone, about.tokenizer, about.profile, about.max_positions)


@dataclass(frozen=True, slots=True)
class Described:
    """What a checkpoint says of itself, its weights apart."""

    id: str
    tokenizer: Tokenizer
    profile: FamilyProfile
    max_positions: int


def describe(folder: Path) -> Described:
    """What belongs to the network of a checkpoint; raises ModelError with one sentence."""
    config = read_config(folder)
    number(config, "vocab_size", int)
    try:
        tokenizer = Tokenizer.load(folder / "tokenizer.json")
        profile = recognise({**config, "tokenizer_config": tokenizer_config(folder)}, tokenizer)
    except (FileNotFoundError, UnknownFamily) as error:
        raise ModelError(f"{folder.name}: {error}") from None
    except ValueError as error:
        raise ModelError(str(error)) from None
    if tokenizer.vocab_size > config["vocab_size"]:
        raise ModelError(f"{folder.name}: the tokenizer has {tokenizer.vocab_size} tokens, the network fewer.")
    return Described(model_id(folder, config), tokenizer, profile, number(config, "max_position_embeddings", int))


def loaded(
    name: str, backbone: Backbone, tokenizer: Tokenizer, profile: FamilyProfile, max_positions: int
) -> LoadedModel:
    """A network that is already in memory, as a model the sampler can run."""
    weight = backbone.model.embed_tokens.weight
    n_bytes = sum(p.numel() * p.element_size() for p in backbone.parameters())
    return LoadedModel(
        id=name,
        backbone=backbone,
        tokenizer=tokenizer,
        profile=profile,
        is_forbidden=forbidden(profile, backbone.config.vocab_size).to(weight.device),
        max_positions=max_positions,
        n_bytes=n_bytes,
        device=weight.device,
        dtype=weight.dtype,
    )


def forbidden(profile: FamilyProfile, vocab_size: int) -> Tensor:
    """(V,) bool on the CPU: the tokens that are never predicted."""
    mask = torch.zeros(vocab_size, dtype=torch.bool)
    mask[list(profile.forbidden_ids)] = True
    return mask


def load_backbone(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    on_progress: OnProgress | None = None,
) -> Backbone:
    """The network of a checkpoint, without gradients; raises ModelError with one sentence."""
    with outline(folder) as (backbone, tensors):
        expected = _expected(backbone)
        state = {}
        for i, name in enumerate(expected):
            state[name] = tensors[name].get_tensor(name).to(device, dtype, copy=True)
            if not state[name].isfinite().all():
                raise ModelError(f"{folder.name}: {name} holds numbers that are not finite in {dtype}.")
            if on_progress is not None:
                on_progress((i + 1) / len(expected))
    is_tied = backbone.config.tie_embeddings
    backbone.load_state_dict(state, strict=not is_tied, assign=True)
    if is_tied:
        backbone.lm_head.weight = backbone.model.embed_tokens.weight
    return backbone


def stamp(folder: Path) -> Stamp:
    """What tells whether a folder's files have changed: name, inode, size and time of each. Takes microseconds."""
    found = []
    for path in sorted(folder.glob("*")):
        if path.suffix in (".json", ".safetensors", ".gguf", ".jinja"):
            with suppress(OSError):
                info = path.stat()
                found.append((path.name, info.st_ino, info.st_size, info.st_mtime_ns))
    return tuple(found)


@contextmanager
def outline(folder: Path) -> Iterator[tuple[Backbone, Mapping[str, Any]]]:
    """The network of a checkpoint without its weights, on no device, and the tensors they are in, open meanwhile.

    Raises ModelError with one sentence where the tensors are not those of the network.
    """
    with _open_tensors(folder) as tensors:
        config = backbone_config(read_config(folder), set(tensors))
        _check_claims(folder, config, tensors)
        with torch.device("meta"), _Uninitialised():
            backbone = Backbone(config)
        _check(folder, _expected(backbone), tensors)
        yield backbone.requires_grad_(False).eval(), tensors


def memory_needed(folder: Path, dtype: torch.dtype) -> int:
    """Bytes the weights of a checkpoint take in memory."""
    with _open_tensors(folder) as tensors:
        shapes = [file.get_slice(name).get_shape() for name, file in tensors.items()]
    n_weights: int = sum(math.prod(shape) for shape in shapes)
    return n_weights * dtype.itemsize


def backbone_config(config: Config, names: set[str]) -> BackboneConfig:
    """The network's shape from config.json and the tensors that are there; raises ModelError with one sentence."""
    for key, plain in (("hidden_act", "silu"), ("use_sliding_window", False), ("mlp_bias", False)):
        if config.get(key, plain) != plain:
            raise ModelError(f"config.json asks for {key} {reprlib.repr(config[key])}, which is not supported.")
    n_heads = number(config, "num_attention_heads", int)
    hidden = number(config, "hidden_size", int)
    first = "model.layers.0.self_attn."
    return BackboneConfig(
        vocab_size=number(config, "vocab_size", int),
        hidden_size=hidden,
        intermediate_size=number(config, "intermediate_size", int),
        n_layers=number(config, "num_hidden_layers", int),
        n_heads=n_heads,
        n_kv_heads=number(config, "num_key_value_heads", int, n_heads),
        head_dim=number(config, "head_dim", int, hidden // n_heads),
        rope_theta=_rope_theta(config),
        norm_eps=number(config, "rms_norm_eps", float, 1e-6),
        qkv_bias=f"{first}q_proj.bias" in names,
        qk_norm=f"{first}q_norm.weight" in names,
        tie_embeddings=bool(config.get("tie_word_embeddings")) and "lm_head.weight" not in names,
    )


def save(
    folder: Path,
    backbone: Backbone,
    tokenizer: Tokenizer,
    *,
    max_positions: int,
    seedfill: Mapping[str, Any],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a model of our own family; each file appears whole or not at all.

    `seedfill` holds block_size, languages and layout_version; name, default policy and threshold where wanted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["SeedfillForDiffusion"],
        "model_type": "qwen3" if backbone.config.qk_norm else "llama",
        **hugging_face_config(backbone.config),
        "max_position_embeddings": max_positions,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "seedfill": dict(seedfill),
    }
    state = {name: backbone.get_parameter(name) for name in _expected(backbone)}
    tensors = {name: value.detach().to("cpu", dtype, copy=True).contiguous() for name, value in state.items()}
    with whole_file(folder / WEIGHTS, mode=READABLE) as path:
        save_file(tensors, path, metadata={"format": "pt"})
    with whole_file(folder / "tokenizer.json", mode=READABLE) as path:
        tokenizer.save(path)
    with whole_file(folder / "config.json", mode=READABLE) as path:
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def hugging_face_config(config: BackboneConfig) -> Config:
    """The shape under Hugging Face's keys."""
    return {
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.norm_eps,
        "attention_bias": config.qkv_bias,
        "tie_word_embeddings": config.tie_embeddings,
    }


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint; raises ModelError where one is missing."""
    names = [WEIGHTS]
    if (folder / INDEX).is_file():
        files = read_object(folder, INDEX, MAX_INDEX_BYTES).get("weight_map")
        if not isinstance(files, dict) or not all(map(_is_file_name, files.values())):
            raise ModelError(f"{folder / INDEX} is damaged: fetch the model again.")
        names = sorted(set(files.values()))
    missing = next((name for name in names if not (folder / name).is_file()), None)
    if missing:
        raise ModelError(f"{folder} has no {missing}: only safetensors are read; fetch the model again.")
    return [folder / name for name in names]


def _is_file_name(name: object) -> bool:
    """Whether an index names a file beside itself, and leads nowhere else."""
    return isinstance(name, str) and name.isprintable() and Path(name).name == name


class _Uninitialised(TorchFunctionMode):
    """Modules are made without drawing their first weights, which on the meta device loads torch's compiler (2 s)."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init" or func is Tensor.normal_:
            return args[0] if args else None
        return func(*args, **(kwargs or {}))


@contextmanager
def _open_tensors(folder: Path) -> Iterator[dict[str, Any]]:
    """Tensor name → the open file that holds it."""
    with ExitStack() as files:
        tensors: dict[str, Any] = {}
        if is_gguf_folder(folder):
            stored = GgufTensors(folder)
            yield dict.fromkeys(stored.keys(), stored)
            return
        for path in weight_files(folder):
            _check_header(path)
            try:
                file = files.enter_context(safe_open(str(path), framework="pt"))
            except (SafetensorError, OSError, MemoryError, RuntimeError) as error:  # too long to be mapped
                raise ModelError(f"{path} is truncated or damaged ({error}): fetch the model again.") from None
            tensors |= dict.fromkeys(file.keys(), file)
        yield tensors


def _check_header(path: Path) -> None:
    """Raise ModelError for a header that would take long to read: it is read while others wait."""
    with path.open("rb") as stream:
        n_bytes = int.from_bytes(stream.read(8), "little")
    if n_bytes > MAX_INDEX_BYTES:
        raise ModelError(f"{path} is truncated or damaged (a header of {n_bytes:,} bytes): fetch the model again.")


def _expected(backbone: Backbone) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors a network is made of; a tied head is no tensor of its own."""
    names = {name: tuple(p.shape) for name, p in backbone.named_parameters()}
    if backbone.config.tie_embeddings:
        names.pop("lm_head.weight", None)
    return names


def _check_claims(folder: Path, config: BackboneConfig, tensors: Mapping[str, Any]) -> None:
    """Raise ModelError where config.json speaks of another network than the files hold, before any of it is made."""
    layers = {int(found[1]) for name in tensors if (found := _LAYER.match(name))}
    if config.n_layers > len(layers) + 1:  # one layer too many is named by its tensors
        raise ModelError(f"{folder.name}: config.json claims {config.n_layers:,} layers, the files hold {len(layers)}.")
    embedding = "model.embed_tokens.weight"
    shapes = {name: tensors[name].get_slice(name).get_shape() for name in tensors}
    rows = (shapes.get(embedding) or [config.vocab_size])[0]
    if config.vocab_size != rows:
        raise ModelError(f"{folder.name}: config.json claims {config.vocab_size:,} tokens, the files hold {rows:,}.")
    widest = max(map(math.prod, shapes.values()), default=0)
    widths = (config.hidden_size, config.intermediate_size, config.n_heads * config.head_dim)
    if config.n_kv_heads > config.n_heads or config.hidden_size * max(widths) > 64 * max(widest, 1):
        raise ModelError(f"{folder.name}: config.json claims wider layers than the files hold.")
    if config.n_heads % config.n_kv_heads or config.head_dim % 2:
        raise ModelError(f"{folder.name}: config.json claims heads that cannot be shared out.")


def _check(folder: Path, expected: dict[str, tuple[int, ...]], tensors: Mapping[str, Any]) -> None:
    """Raise ModelError for the first tensor that is missing, unknown, of another shape, or not made of floats."""
    missing = next((name for name in expected if name not in tensors), None)
    if missing:
        raise ModelError(f"{folder.name} lacks the tensor {missing} that its config.json calls for.")
    unknown = next((name for name in tensors if name not in expected), None)
    if unknown:
        raise ModelError(f"{folder.name} has a tensor {unknown} that no known shape has.")
    for name, shape in expected.items():
        stored = tensors[name].get_slice(name)
        if tuple(stored.get_shape()) != shape:
            raise ModelError(f"{folder.name}: {name} is {stored.get_shape()}, config.json makes it {list(shape)}.")
        if stored.get_dtype() not in FLOATS:
            raise ModelError(f"{folder.name}: {name} holds {stored.get_dtype()}; only float weights are read.")


def _rope_theta(config: Config) -> float:
    """The rotation's base, which newer configs keep under rope_parameters; scaled rotations are refused."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise ModelError(f"config.json must give the rotation as an object, not {reprlib.repr(rope)}.")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise ModelError(f"config.json asks for {reprlib.repr(kind)} rope scaling, which is not supported.")
    theta: float = number({**config, **rope}, "rope_theta", float, 10_000.0)
    if theta < 1:
        raise ModelError(f"config.json must give 'rope_theta' as at least 1, not {theta}.")
    return theta

"""The backbone of plain causal models as an ONNX graph with 8-bit weights, for CPUs, where torch has no quick kernel.

Weights are quantised by column, activations by row: with a scale and an offset of each row's own, so that what a row
comes to depends on no other row or position. Products are unsigned by unsigned (`MatMulInteger`), which widen and never
saturate. With x ≈ s·q + m for a row (q in 0 … 255, m its least number) and w ≈ t·(p - 128) for a column,

    x·w = s·t·Σ q·(p - 128) + m·t·Σ (p - 128),

of which the last sum is known beforehand. Keys and values of the past come in, in two parts: what rows share, and what
each committed since; those of the pass go out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sampler.model.backbone import BackboneConfig

Array: TypeAlias = "np.ndarray[Any, Any]"
Weights: TypeAlias = Callable[[str], Array]
"""A tensor in float32 by its name in Hugging Face's checkpoints."""

CONTRIB = "com.microsoft"
"""Operators that ONNX Runtime adds."""
INLINE_BYTES = 4096
"""Larger constants lie in a file beside the graph, which is mapped into memory."""
ZERO = 128
"""What stands for zero in unsigned weights."""


@dataclass(slots=True)
class _Graph:
    """Nodes and constants, in the order in which they were added."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    n_values: int = 0

    def constant(self, name: str, value: Array) -> str:
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def ints(self, *values: int) -> str:
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def add(self, operator: str, *inputs: str, domain: str = "", name: str = "", **attributes: Any) -> str:
        return self.add_several(1, operator, *inputs, domain=domain, names=(name,), **attributes)[0]

    def add_several(
        self, n: int, operator: str, *inputs: str, domain: str = "", names: tuple[str, ...] = (), **attributes: Any
    ) -> list[str]:
        outputs = [name or f"v{self.n_values + i}" for i, name in enumerate(names or ("",) * n)]
        self.n_values += n
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, domain=domain, **attributes))
        return outputs


def write_trunk(path: Path, config: BackboneConfig, weights: Weights) -> None:
    """Write the layers: embeddings (N, hidden) and the past → hidden states, normed, and the pass's keys and values."""
    graph, shape = _Graph(), config
    _shapes(graph, shape)
    residual, added = "x", ""
    for layer in range(shape.n_layers):
        prefix = f"model.layers.{layer}."
        normed, residual = _norm(graph, shape, weights(f"{prefix}input_layernorm.weight"), residual, added)
        attended = _attention(graph, shape, weights, layer, normed)
        normed, residual = _norm(graph, shape, weights(f"{prefix}post_attention_layernorm.weight"), residual, attended)
        added = _mlp(graph, shape, weights, layer, normed)
    hidden, _ = _norm(graph, shape, weights("model.norm.weight"), residual, added)
    graph.add("Identity", hidden, name="hidden")
    _save(path, graph, _trunk_inputs(shape), _trunk_outputs(shape))


def write_head(path: Path, config: BackboneConfig, weights: Weights) -> None:
    """Write the head: hidden states (M, hidden) → logits (M, vocab)."""
    graph = _Graph()
    logits = _linear(graph, "head", weights("model.embed_tokens.weight"), _quantised(graph, "hidden"))
    graph.add("Identity", logits, name="logits")
    inputs = [_value("hidden", "M", config.hidden_size)]
    _save(path, graph, inputs, [_value("logits", "M", config.vocab_size)])


def _shapes(graph: _Graph, shape: BackboneConfig) -> None:
    """What all layers share: lengths of the pass and of the past, and the mask over both."""
    groups = shape.n_heads // shape.n_kv_heads
    graph.add("Shape", "x", start=0, end=1, name="n")
    graph.add("Shape", "mask_shared", start=1, end=2, name="n_shared")
    graph.add("Shape", "mask_own", start=1, end=2, name="n_own")
    graph.add("Concat", "mask_shared", "mask_own", "mask_new", axis=1, name="mask")
    graph.add("Shape", "mask", start=1, end=2, name="n_all")
    graph.add("Mul", "n", graph.ints(groups), name="n_queries")
    graph.add("Concat", "n_shared", "n_own", "n", axis=0, name="parts")
    heads, width = graph.ints(shape.n_kv_heads), graph.ints(shape.head_dim)
    graph.add("Concat", heads, graph.ints(groups), "n", "n_all", axis=0, name="by_head")
    graph.add("Concat", heads, "n_queries", "n_all", axis=0, name="folded")
    graph.add("Concat", heads, graph.ints(groups), "n", width, axis=0, name="unfolded")


def _norm(graph: _Graph, shape: BackboneConfig, weight: Array, residual: str, added: str) -> tuple[str, str]:
    """(RMS-normed, the residual stream) once `added` has joined the stream."""
    name = graph.constant(f"norm_{graph.n_values}", weight)
    if not added:
        return graph.add("SimplifiedLayerNormalization", residual, name, axis=-1, epsilon=shape.norm_eps), residual
    outputs = (f"v{graph.n_values}", "", "", f"v{graph.n_values + 3}")
    graph.n_values += 4
    node = helper.make_node(
        "SkipSimplifiedLayerNormalization",
        [residual, added, name],
        list(outputs),
        domain=CONTRIB,
        epsilon=shape.norm_eps,
    )
    graph.nodes.append(node)
    return outputs[0], outputs[3]


def _attention(graph: _Graph, shape: BackboneConfig, weights: Weights, layer: int, x: str) -> str:
    """Queries of heads that share keys are folded into one head's; scores over the three parts are joined, not keys."""
    prefix = f"model.layers.{layer}.self_attn."
    names = ("q_proj", "k_proj", "v_proj")
    weight = np.concatenate([weights(f"{prefix}{name}.weight") for name in names])
    bias = np.concatenate([weights(f"{prefix}{name}.bias") for name in names]) if shape.qkv_bias else None
    n_q, n_kv = shape.n_heads * shape.head_dim, shape.n_kv_heads * shape.head_dim
    joined = _linear(graph, f"qkv_{layer}", weight, _quantised(graph, x), bias)
    q, k, v = graph.add_several(3, "Split", joined, graph.ints(n_q, n_kv, n_kv), axis=1)
    q, k = _rotated(graph, shape, q, shape.n_heads), _rotated(graph, shape, k, shape.n_kv_heads)
    v = graph.add("Reshape", v, graph.ints(0, shape.n_kv_heads, shape.head_dim))
    keys = graph.add("Transpose", k, perm=[1, 0, 2], name=f"k{layer}")
    values = graph.add("Transpose", v, perm=[1, 0, 2], name=f"v_{layer}")
    groups = shape.n_heads // shape.n_kv_heads
    q = graph.add("Reshape", q, graph.ints(0, shape.n_kv_heads, groups, shape.head_dim))
    q = graph.add("Transpose", q, perm=[1, 2, 0, 3])
    q = graph.add("Reshape", q, graph.ints(shape.n_kv_heads, -1, shape.head_dim))
    parts = [(f"shared_k{layer}", f"shared_v{layer}"), (f"own_k{layer}", f"own_v{layer}"), (keys, values)]
    scale = shape.head_dim**-0.5
    scores_of = [graph.add("FusedMatMul", q, k_, domain=CONTRIB, transB=1, alpha=scale) for k_, _ in parts]
    scores = graph.add("Reshape", graph.add("Concat", *scores_of, axis=2), "by_head")
    chances = graph.add("Reshape", graph.add("Softmax", graph.add("Add", scores, "mask"), axis=-1), "folded")
    chances_of = graph.add_several(3, "Split", chances, "parts", axis=2)
    found = [graph.add("MatMul", p, v_) for p, (_, v_) in zip(chances_of, parts, strict=True)]
    out = graph.add("Add", graph.add("Add", found[0], found[1]), found[2])
    out = graph.add("Transpose", graph.add("Reshape", out, "unfolded"), perm=[2, 0, 1, 3])
    out = graph.add("Reshape", out, graph.ints(0, n_q))
    return _linear(graph, f"o_{layer}", weights(f"{prefix}o_proj.weight"), _quantised(graph, out))


def _mlp(graph: _Graph, shape: BackboneConfig, weights: Weights, layer: int, x: str) -> str:
    """SwiGLU, gate and up as one product."""
    prefix, width = f"model.layers.{layer}.mlp.", shape.intermediate_size
    weight = np.concatenate([weights(f"{prefix}gate_proj.weight"), weights(f"{prefix}up_proj.weight")])
    joined = _linear(graph, f"gate_up_{layer}", weight, _quantised(graph, x))
    gate, up = graph.add_several(2, "Split", joined, graph.ints(width, width), axis=1)
    gated = graph.add("Mul", graph.add("QuickGelu", gate, domain=CONTRIB, alpha=1.0), up)  # x · sigmoid(1·x) is SiLU
    return _linear(graph, f"down_{layer}", weights(f"{prefix}down_proj.weight"), _quantised(graph, gated))


def _rotated(graph: _Graph, shape: BackboneConfig, x: str, n_heads: int) -> str:
    """(N, heads, D), rotated: the pairs are (i, i + D / 2), as the Llama family lays them out."""
    half = shape.head_dim // 2
    x = graph.add("Reshape", x, graph.ints(0, n_heads, shape.head_dim))
    first, second = graph.add_several(2, "Split", x, graph.ints(half, half), axis=2)
    low = graph.add("Sub", graph.add("Mul", first, "cos"), graph.add("Mul", second, "sin"))
    high = graph.add("Add", graph.add("Mul", second, "cos"), graph.add("Mul", first, "sin"))
    return graph.add("Concat", low, high, axis=2)


def _quantised(graph: _Graph, x: str) -> tuple[str, str, str]:
    """(q, s, m) of each row of x (N, K): unsigned 8 bits, scale and least number."""
    last = graph.ints(-1)
    least = graph.add("ReduceMin", x, last, keepdims=1)
    span = graph.add("Sub", graph.add("ReduceMax", x, last, keepdims=1), least)
    scale = graph.add("Mul", span, graph.constant("inverse_255", np.array([1 / 255], np.float32)))
    scale = graph.add("Max", scale, graph.constant("tiny", np.array([1e-12], np.float32)))
    inverse = graph.add("Reciprocal", scale)
    half = graph.constant("half", np.array([0.5], np.float32))  # a cast cuts off
    shift = graph.add("Sub", half, graph.add("Mul", least, inverse))
    rounded = graph.add("Add", graph.add("Mul", x, inverse), shift)
    return graph.add("Cast", rounded, to=TensorProto.UINT8), scale, least


def _linear(graph: _Graph, name: str, weight: Array, x: tuple[str, str, str], bias: Array | None = None) -> str:
    """x (N, K) times `weight` (M, K), transposed → (N, M)."""
    quantised, scale, least = x
    steps = np.abs(weight).max(axis=1) / 127
    steps = np.where(steps > 0, steps, 1.0).astype(np.float32)
    whole = np.clip(np.rint(weight / steps[:, None]), -127, 127).astype(np.int32)
    graph.constant("zero", np.array(ZERO, np.uint8))
    packed = graph.constant(f"{name}_weight", (whole.T + ZERO).astype(np.uint8))
    product = graph.add("Cast", graph.add("MatMulInteger", quantised, packed, "", "zero"), to=TensorProto.FLOAT)
    product = graph.add("Mul", product, graph.constant(f"{name}_steps", steps))
    sums = graph.constant(f"{name}_sums", (whole.sum(axis=1) * steps).astype(np.float32))
    out = graph.add("Add", graph.add("Mul", product, scale), graph.add("Mul", sums, least))
    return out if bias is None else graph.add("Add", out, graph.constant(f"{name}_bias", bias))


def _trunk_inputs(shape: BackboneConfig) -> list[onnx.ValueInfoProto]:
    half = shape.head_dim // 2
    inputs = [_value("x", "N", shape.hidden_size), _value("cos", "N", 1, half), _value("sin", "N", 1, half)]
    inputs += [_value("mask_shared", "N", "S"), _value("mask_own", "N", "O"), _value("mask_new", "N", "N")]
    for layer in range(shape.n_layers):
        for part, length in (("shared", "S"), ("own", "O")):
            size = (shape.n_kv_heads, length, shape.head_dim)
            inputs += [_value(f"{part}_k{layer}", *size), _value(f"{part}_v{layer}", *size)]
    return inputs


def _trunk_outputs(shape: BackboneConfig) -> list[onnx.ValueInfoProto]:
    size = (shape.n_kv_heads, "N", shape.head_dim)
    layers = range(shape.n_layers)
    keys = [_value(f"k{layer}", *size) for layer in layers]
    return [_value("hidden", "N", shape.hidden_size), *keys, *(_value(f"v_{layer}", *size) for layer in layers)]


def _value(name: str, *size: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(size))


def _save(path: Path, graph: _Graph, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> None:
    """Write the graph, its large constants in a file beside it, each at the start of a page."""
    data = path.with_suffix(".data")
    tensors = []
    with data.open("wb") as file:
        for name, value in graph.constants.items():
            if value.nbytes < INLINE_BYTES:
                tensors.append(numpy_helper.from_array(value, name))
                continue
            file.write(bytes(-file.tell() % 4096))
            tensors.append(_external(name, value, data.name, file.tell()))
            file.write(value.tobytes())
    body = helper.make_graph(graph.nodes, path.stem, inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(CONTRIB, 1)]
    path.write_bytes(helper.make_model(body, opset_imports=opsets, ir_version=10).SerializeToString())


def _external(name: str, value: Array, location: str, offset: int) -> onnx.TensorProto:
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    tensor = TensorProto(name=name, data_type=kind, dims=value.shape, data_location=TensorProto.EXTERNAL)
    for key, said in (("location", location), ("offset", offset), ("length", value.nbytes)):
        tensor.external_data.add(key=key, value=str(said))
    return tensor

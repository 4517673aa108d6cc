"""The backbone of plain causal models as an ONNX graph with 8-bit weights, for CPUs, where torch has no quick kernel.

Weights are quantised by column, activations by row: with a scale and an offset of each row's own, so that what a row
comes to depends on no other row or position. Products are unsigned by unsigned (`MatMulInteger`), which widen and never
saturate. With x ≈ s·q + m for a row (q in 0 … 255, m its least number) and w ≈ t·(p - 128) for a column,

    x·w = s·t·Σ q·(p - 128) + m·t·Σ (p - 128),

of which the last sum is known beforehand. Keys and values of the past come in, in two parts: what rows share, and what
each committed since; those of the pass go out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sampler.model.backbone import BackboneConfig

Array: TypeAlias = "np.ndarray[Any, Any]"
DType: TypeAlias = "np.dtype[Any]"
Rows: TypeAlias = Iterable[Array]
"""A tensor in float32, some rows after the others: never all of it in memory."""
Weights: TypeAlias = Callable[[str], Rows]
"""Tensors by their names in Hugging Face's checkpoints."""

CONTRIB = "com.microsoft"
"""Operators that ONNX Runtime adds."""
INLINE_BYTES = 4096
"""Larger constants lie in a file beside the graph, which is mapped into memory."""
PAGE = 4096
ZERO = 128
"""What stands for zero in unsigned weights."""


@dataclass(slots=True)
class _Graph:
    """Nodes and constants, in the order in which they were added; large constants go at once into a file beside it."""

    path: Path
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    n_values: int = 0

    @property
    def data(self) -> Path:
        """Where the large constants lie."""
        return self.path.with_suffix(".data")

    def constant(self, name: str, value: Array) -> str:
        if value.nbytes < INLINE_BYTES:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        else:
            self.stored(name, value.shape, value.dtype)[...] = value
        return name

    def stored(self, name: str, shape: tuple[int, ...], dtype: DType) -> Array:
        """A large constant, to be filled in: the file itself, mapped into memory, from the start of a page on."""
        size = self.data.stat().st_size if self.data.exists() else 0
        offset, n_bytes = -(-size // PAGE) * PAGE, math.prod(shape) * dtype.itemsize
        with self.data.open("ab") as file:
            file.truncate(offset + n_bytes)
        self.constants[name] = _external(name, shape, dtype, self.data.name, offset, n_bytes)
        return np.memmap(self.data, dtype, "r+", offset, shape)

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
    graph, shape = _Graph(path), config
    _shapes(graph, shape)
    residual, added = "x", ""
    for layer in range(shape.n_layers):
        prefix = f"model.layers.{layer}."
        weight = _whole(weights(f"{prefix}input_layernorm.weight"))
        normed, residual = _norm(graph, shape, weight, residual, added)
        attended = _attention(graph, shape, weights, layer, normed)
        weight = _whole(weights(f"{prefix}post_attention_layernorm.weight"))
        normed, residual = _norm(graph, shape, weight, residual, attended)
        added = _mlp(graph, shape, weights, layer, normed)
    hidden, _ = _norm(graph, shape, _whole(weights("model.norm.weight")), residual, added)
    graph.add("Identity", hidden, name="hidden")
    _save(graph, _trunk_inputs(shape), _trunk_outputs(shape))


def write_head(path: Path, config: BackboneConfig, embedding: Rows) -> None:
    """Write the head: hidden states (M, hidden) → logits (M, vocab)."""
    graph = _Graph(path)
    shape = (config.vocab_size, config.hidden_size)
    logits = _linear(graph, "head", shape, embedding, _quantised(graph, "hidden"))
    graph.add("Identity", logits, name="logits")
    inputs = [_value("hidden", "M", config.hidden_size)]
    _save(graph, inputs, [_value("logits", "M", config.vocab_size)])


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
    weight = chain.from_iterable(weights(f"{prefix}{name}.weight") for name in names)
    biases = chain.from_iterable(weights(f"{prefix}{name}.bias") for name in names) if shape.qkv_bias else None
    n_q, n_kv = shape.n_heads * shape.head_dim, shape.n_kv_heads * shape.head_dim
    size = (n_q + 2 * n_kv, shape.hidden_size)
    joined = _linear(graph, f"qkv_{layer}", size, weight, _quantised(graph, x), biases)
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
    size = (shape.hidden_size, n_q)
    return _linear(graph, f"o_{layer}", size, weights(f"{prefix}o_proj.weight"), _quantised(graph, out))


def _mlp(graph: _Graph, shape: BackboneConfig, weights: Weights, layer: int, x: str) -> str:
    """SwiGLU, gate and up as one product."""
    prefix, width = f"model.layers.{layer}.mlp.", shape.intermediate_size
    weight: Rows = chain(weights(f"{prefix}gate_proj.weight"), weights(f"{prefix}up_proj.weight"))
    joined = _linear(graph, f"gate_up_{layer}", (2 * width, shape.hidden_size), weight, _quantised(graph, x))
    gate, up = graph.add_several(2, "Split", joined, graph.ints(width, width), axis=1)
    gated = graph.add("Mul", graph.add("QuickGelu", gate, domain=CONTRIB, alpha=1.0), up)  # x · sigmoid(1·x) is SiLU
    weight = weights(f"{prefix}down_proj.weight")
    return _linear(graph, f"down_{layer}", (shape.hidden_size, width), weight, _quantised(graph, gated))


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


def _linear(
    graph: _Graph,
    name: str,
    size: tuple[int, int],
    weight: Rows,
    x: tuple[str, str, str],
    bias: Rows | None = None,
) -> str:
    """x (N, K) times `weight` of `size` (M, K), transposed → (N, M)."""
    quantised, scale, least = x
    steps, sums = _pack(graph, f"{name}_weight", size, weight)
    graph.constant("zero", np.array(ZERO, np.uint8))
    product = graph.add("MatMulInteger", quantised, f"{name}_weight", "", "zero")
    product = graph.add("Cast", product, to=TensorProto.FLOAT)
    product = graph.add("Mul", product, graph.constant(f"{name}_steps", steps))
    offset = graph.add("Mul", graph.constant(f"{name}_sums", sums), least)
    out = graph.add("Add", graph.add("Mul", product, scale), offset)
    return out if bias is None else graph.add("Add", out, graph.constant(f"{name}_bias", _whole(bias)))


def _pack(graph: _Graph, name: str, size: tuple[int, int], weight: Rows) -> tuple[Array, Array]:
    """Write the weights in 8 bits, transposed; (the step t of each row, its sum Σ t·(p - 128)), both (M,)."""
    n_rows, width = size
    packed = graph.stored(name, (width, n_rows), np.dtype(np.uint8))
    steps, sums = np.empty(n_rows, np.float32), np.empty(n_rows, np.float32)
    at = 0
    for rows in weight:
        here = slice(at, at + len(rows))
        step = np.abs(rows).max(axis=1) / 127
        steps[here] = np.where(step > 0, step, 1.0)
        whole = np.clip(np.rint(rows / steps[here, None]), -127, 127).astype(np.int32)
        packed[:, here] = (whole.T + ZERO).astype(np.uint8)
        sums[here] = whole.sum(axis=1) * steps[here]
        at += len(rows)
    return steps, sums


def _whole(rows: Rows) -> Array:
    return np.concatenate(list(rows))


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


def _save(graph: _Graph, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> None:
    """Write the graph, whose large constants are written already."""
    body = helper.make_graph(graph.nodes, graph.path.stem, inputs, outputs, list(graph.constants.values()))
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(CONTRIB, 1)]
    graph.path.write_bytes(helper.make_model(body, opset_imports=opsets, ir_version=10).SerializeToString())


def _external(
    name: str, shape: tuple[int, ...], dtype: DType, location: str, offset: int, n_bytes: int
) -> onnx.TensorProto:
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, said in (("location", location), ("offset", offset), ("length", n_bytes)):
        tensor.external_data.add(key=key, value=str(said))
    return tensor

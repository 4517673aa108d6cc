"""A network that ONNX Runtime computes on the CPU: the torch backbone's three methods, torch tensors in and out."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sampler.model.backbone import BackboneConfig
from sampler.model.kv_cache import KeyValues
from sampler.model.network import Forward, Segment
from sampler.model.onnx_graph import Array, Rows, Weights, write_head, write_trunk
from sampler.protocol.handshake import fingerprint
from sampler.protocol.whole import whole_folder

# ONNX Runtime reports to its maker and keeps an id of the machine in the cache folder, unless this is set at its start.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime  # noqa: E402

VERSION = 2
"""Of the files below; others are made anew."""
HIDDEN = -1e9
"""Added to the score of what must not be seen."""
_TRUNK, _HEAD, _EMBEDDING, _MANIFEST = "trunk.onnx", "head.onnx", "embedding.npy", "manifest.json"


def prepare_files(folder: Path, config: BackboneConfig, weights: Weights) -> None:
    """Write graphs and embedding into `folder`, whole or not at all; does nothing where they are there and whole.

    A few megabytes of the weights are in memory at once.
    """
    if _is_whole(folder):
        return
    with whole_folder(folder) as fresh:
        write_trunk(fresh / _TRUNK, config, weights)
        size = (config.vocab_size, config.hidden_size)
        embedding = np.lib.format.open_memmap(fresh / _EMBEDDING, "w+", np.float16, size)
        write_head(fresh / _HEAD, config, _copied(weights("model.embed_tokens.weight"), embedding))
        manifest = {"version": VERSION, "files": {path.name: fingerprint(path) for path in fresh.iterdir()}}
        (fresh / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def _copied(rows: Rows, copy: Array) -> Rows:
    """`rows`, each also put into `copy` as it passes: dequantising them takes longer than all else."""
    at = 0
    for some in rows:
        copy[at : at + len(some)] = some
        at += len(some)
        yield some


class OnnxNetwork:
    """A `Network` over the files that `prepare_files` wrote."""

    def __init__(self, folder: Path, config: BackboneConfig, n_threads: int) -> None:
        self._config = config
        self._embedding: Array = np.load(folder / _EMBEDDING, mmap_mode="r")
        self._trunk, self._head = _session(folder / _TRUNK, n_threads), _session(folder / _HEAD, n_threads)
        self._rates = config.rope_theta ** -(np.arange(0, config.head_dim, 2) / config.head_dim)
        self.n_bytes = sum(path.stat().st_size for path in folder.glob("*.data"))

    def read(self, tokens: Tensor, positions: Tensor, segments: Sequence[Segment]) -> Forward:
        """One forward over the ids `tokens` (N,) at `positions` (N,), a segment behind the other."""
        angles = positions.numpy()[:, None, None] * self._rates
        shared, owns = _pasts(segments)
        feed = _masks(segments, shared, owns)
        feed |= {"x": self._embedding[tokens.numpy()].astype(np.float32)}
        feed |= {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}
        self._add_past(feed, "shared", shared)
        self._add_past(feed, "own", [past for own in owns for past in own])
        hidden, *written = self._trunk.run(None, feed)
        n = self._config.n_layers
        return Forward(torch.from_numpy(hidden), _Written(written[:n], written[n:], segments))

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, hidden) → (…, vocab)."""
        rows = np.ascontiguousarray(hidden.reshape(-1, self._config.hidden_size).numpy())
        (found,) = self._head.run(None, {"hidden": rows})
        return torch.from_numpy(found).reshape(*hidden.shape[:-1], -1)

    def threads(self, n_tokens: int) -> AbstractContextManager[None]:
        """The sessions have threads of their own."""
        return nullcontext()

    def _add_past(self, feed: dict[str, Array], part: str, pasts: Sequence[KeyValues]) -> None:
        """Keys and values of `pasts`, one behind the other, as the graph's inputs; one alone is not copied."""
        empty = np.zeros((self._config.n_kv_heads, 0, self._config.head_dim), np.float32)
        for layer in range(self._config.n_layers):
            for letter, name in (("k", "keys"), ("v", "values")):
                each = [getattr(past, name)[layer].numpy() for past in pasts] or [empty]
                whole = each[0] if len(each) == 1 else np.concatenate(each, axis=1)
                feed[f"{part}_{letter}{layer}"] = np.ascontiguousarray(whole)


class _Written:
    """Keys and values that each segment wrote."""

    def __init__(self, keys: list[Array], values: list[Array], segments: Sequence[Segment]) -> None:
        self._keys, self._values = keys, values
        self._ends = np.cumsum([segment.length for segment in segments]).tolist()

    def __call__(self, i: int) -> KeyValues:
        start, end = ([0, *self._ends])[i], self._ends[i]
        keys, values = (np.stack([a[:, start:end] for a in part]) for part in (self._keys, self._values))
        return KeyValues(torch.from_numpy(keys), torch.from_numpy(values))


def _pasts(segments: Sequence[Segment]) -> tuple[list[KeyValues], list[list[KeyValues]]]:
    """(what all segments share, what each has besides): rows of one request read one context."""
    firsts = [segment.past[0] if segment.past else None for segment in segments]
    is_shared = firsts[0] is not None and all(first is firsts[0] for first in firsts)
    shared = [firsts[0]] if is_shared and firsts[0] is not None else []
    return shared, [list(segment.past[len(shared) :]) for segment in segments]


def _masks(
    segments: Sequence[Segment], shared: Sequence[KeyValues], owns: Sequence[Sequence[KeyValues]]
) -> dict[str, Array]:
    """What is added to the scores of the three parts: nothing where a row may look, much less where it may not."""
    n, n_shared = sum(segment.length for segment in segments), sum(map(len, shared))
    lengths = [sum(map(len, own)) for own in owns]
    own, new = np.full((n, sum(lengths)), HIDDEN, np.float32), np.full((n, n), HIDDEN, np.float32)
    start = past = 0
    for segment, length in zip(segments, lengths, strict=True):
        rows = slice(start, start + segment.length)
        own[rows, past : past + length] = 0.0
        new[rows, rows] = np.where(_seen(segment), 0.0, HIDDEN)
        start, past = start + segment.length, past + length
    return {"mask_shared": np.zeros((n, n_shared), np.float32), "mask_own": own, "mask_new": new}


def _seen(segment: Segment) -> Array:
    if segment.seen is not None:
        return segment.seen.numpy()
    square = np.ones((segment.length, segment.length), bool)
    return np.tril(square) if segment.is_causal else square


def _session(path: Path, n_threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a busy machine would pay for it
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _is_whole(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        found = {name: fingerprint(folder / name) for name in manifest["files"]}
        return bool(manifest["version"] == VERSION and found == manifest["files"] and _TRUNK in found)
    except (OSError, ValueError, KeyError, TypeError):
        return False

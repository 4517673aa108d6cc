"""A study of who attends to whom, at equal training cost: our causal context with exact caches, or the whole canvas.

*Exact*: two streams, context token-causal, live blocks both ways; keys and values of context and finished blocks stay.
*Whole canvas*, as the paper trains: masks anywhere in a row that attends to itself both ways. Every token's keys depend
on every other token, so a cache is either none or an approximation, here refreshed with each block.

Cost is counted in tokens that pass through the network. A row of two streams has half as many live tokens again, so the
whole canvas gets more rows for the same cost.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from sampler.decoding.canvas import Canvas, from_context
from sampler.decoding.denoise import Row, denoise, read_context, start_row
from sampler.decoding.span import Span
from sampler.decoding.unmask import Sampling
from sampler.model import layout
from sampler.model.attention import Full, TwoStream
from sampler.model.backbone import Backbone
from sampler.model.checkpoint import LoadedModel
from sampler.model.layout import LIVE_MARKER
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data.corpus import Document
from seedfill.training.data.rows import IGNORED
from seedfill.training.loop.recipe import Recipe
from seedfill.training.loop.trainer import Data
from seedfill.training.objectives.live import LEAST_TIME
from seedfill.training.objectives.losses import LossParts
from seedfill.training.objectives.noise import NoiseSchedule
from seedfill.training.studies.bits import stretch
from seedfill.training.studies.studies import Log, Size, branch_recipe, make_trainer, model_of, read_small, train

PREFIX, SUFFIX = 96, 48
"""Tokens before and behind a span."""
LENGTHS = (2, 4, 8, 16)
"""Tokens of a span; how many they are is told, since the whole canvas cannot find out by itself."""
BLOCK, THRESHOLD = 4, 0.9
N_DRAWS = 4
"""Ways to mask each span for its bits."""


@dataclass(frozen=True, slots=True)
class NoisedRows:
    """Whole rows with masks anywhere: (B, T) what is read, what is asked for, and its weight in the ELBO."""

    tokens: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, slots=True)
class WholeCanvas:
    """The mask-based process over whole rows, all tokens of a row at the same time t (paper Eq. 2, 5)."""

    recipe: Recipe
    train: Sequence[Document]
    heldout: Sequence[Document]
    tokenizer: Tokenizer

    def draw(self, *, seed: int, step: int, own: range, held_out: bool) -> NoisedRows:
        """Stretches of files, noised."""
        documents = self.heldout if held_out else self.train
        rngs = [random.Random(f"canvas/{seed}/{step}/{row}") for row in own]
        prefix_id, mask_id = self.tokenizer.id("<prefix>"), self.tokenizer.id("<mask>")
        columns: tuple[list[list[int]], list[list[int]], list[list[float]]] = ([], [], [])
        for rng in rngs:
            tokens = [prefix_id, *stretch(documents, self.tokenizer, rng, self.recipe.length - 1)]
            rate, weight = NoiseSchedule().at(max(rng.random(), LEAST_TIME))
            chosen = [i > 0 and rng.random() < rate for i in range(len(tokens))]
            columns[0].append([mask_id if masked else token for token, masked in zip(tokens, chosen, strict=True)])
            columns[1].append([token if masked else IGNORED for token, masked in zip(tokens, chosen, strict=True)])
            columns[2].append([weight * masked for masked in chosen])
        return NoisedRows(np.array(columns[0]), np.array(columns[1]), np.array(columns[2], dtype=np.float32))

    def parts(self, network: Backbone, batch: NoisedRows, device: torch.device, step: int) -> LossParts:
        """Masked tokens, an estimate of the ELBO a token."""
        tokens = torch.from_numpy(batch.tokens).to(device)
        hidden = network(tokens, torch.arange(tokens.shape[1], device=device), Full())
        logits = network.logits(hidden).float().flatten(0, 1)
        targets = torch.from_numpy(batch.targets).to(device).flatten()
        losses = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
        weighted = losses * torch.from_numpy(batch.weights).to(device).flatten()
        return LossParts({"masked": weighted.sum()}, {"masked": float(tokens.numel())}, {"masked": 1.0}, tokens.numel())


@dataclass(frozen=True, slots=True)
class SpanTask:
    """Tokens of a held-out file: before a span, in it, behind it."""

    before: list[int]
    gold: list[int]
    after: list[int]


def study_topology(folder: Path, size: Size, log: Log) -> list[dict[str, Any]]:
    """A row for each topology and cache: cost of training, bits a byte of spans, fills and what they cost."""
    recipe = branch_recipe(size)
    recipe = replace(recipe, n_steps=size.trunk_steps + size.branch_steps, decay_share=0.3)
    data = read_small(recipe, folder)
    tasks = span_tasks(data, size)
    log(f"causal context: {recipe.n_steps} steps")
    ours = make_trainer(recipe, data, folder / "exact")
    train(ours)
    exact = _without_end(model_of(ours, 0))
    found = [{"topology": "causal context, exact cache", **_figures(exact, tasks, data.tokenizer, False)}]
    n_cost = ours.tokens_seen // recipe.length * (recipe.length + recipe.n_live)
    longer = replace(recipe, name="study-canvas", n_steps=n_cost // (recipe.n_rows * recipe.length))
    log(f"whole canvas: {longer.n_steps} steps")
    canvas = make_trainer(longer, data, folder / "canvas")
    canvas.stage = WholeCanvas(longer, data.train, data.heldout, data.tokenizer)
    train(canvas)
    for name, cache in (("refreshed per block", "refresh-per-block"), ("no cache", "none")):
        model = in_place(_without_end(model_of(canvas, 0)), cache)
        found.append({"topology": f"whole canvas, {name}", **_figures(model, tasks, data.tokenizer, True)})
    return [{**row, "cost": n_cost} for row in found]


def span_tasks(data: Data, size: Size) -> list[SpanTask]:
    """Short spans of held-out files, of each length alike."""
    rng, found = random.Random(f"topology/{size.seed}"), []
    for i in range(size.n_tasks):
        n = LENGTHS[i % len(LENGTHS)]
        tokens = stretch(data.heldout, data.tokenizer, rng, PREFIX + n + SUFFIX)
        found.append(SpanTask(tokens[:PREFIX], tokens[PREFIX : PREFIX + n], tokens[PREFIX + n :]))
    return found


def in_place(model: LoadedModel, cache: Any) -> LoadedModel:
    """The network as one that attends to the whole canvas and fills in place."""
    profile = replace(
        model.profile,
        topology="full",
        layout="in-place",
        cache=cache,
        commit_pass=False,
        causal_reading=False,
        length_policy="fixed",
        live_marker_id=None,
    )
    return replace(model, profile=profile)


def _without_end(model: LoadedModel) -> LoadedModel:
    """The length of a span is told, so nobody may end it."""
    is_forbidden = model.is_forbidden.clone()
    is_forbidden[model.profile.end_id] = True
    return replace(model, is_forbidden=is_forbidden)


def _figures(model: LoadedModel, tasks: Sequence[SpanTask], tokenizer: Tokenizer, is_whole: bool) -> dict[str, float]:
    start = _start_in_place if is_whole else _start_suffix_first
    n_right = n_tokens = n_exact = n_forwards = 0
    with _counted(model.backbone) as read:
        for task in tasks:
            row = start(model, task)
            denoise(model, [row])
            written = row.canvas.spans[0].tokens
            n_right += sum(a == b for a, b in zip(written, task.gold, strict=True))
            n_exact += written == task.gold
            n_tokens += len(task.gold)
            n_forwards += row.n_forwards
    n_read = sum(read)
    return {
        "bits": span_bits(model, tasks, tokenizer, is_whole),
        "tokens_right": n_right / n_tokens,
        "exact_match": n_exact / len(tasks),
        "tokens_per_forward": n_tokens / n_forwards,
        "tokens_computed": n_read / len(tasks),
    }


def _start_suffix_first(model: LoadedModel, task: SpanTask) -> Row:
    canvas = from_context(_context(model.tokenizer, task), len(task.gold), frozenset())
    return start_row(model, canvas, Sampling("threshold", THRESHOLD, BLOCK), read_context(model, canvas)[0])


def _start_in_place(model: LoadedModel, task: SpanTask) -> Row:
    pieces = [[model.tokenizer.id("<prefix>"), *task.before], task.after]
    canvas = Canvas(pieces[0] + pieces[1], [], [Span(start=0, limit=len(task.gold))], frozenset(), pieces)
    return start_row(model, canvas, Sampling("threshold", THRESHOLD, BLOCK), None)


def _context(tokenizer: Tokenizer, task: SpanTask) -> layout.Context:
    return layout.suffix_first(tokenizer, [], task.before, task.after)


@contextmanager
def _counted(backbone: Backbone) -> Iterator[list[int]]:
    """The tokens of each forward while it lasts."""
    read: list[int] = []
    handle = backbone.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].numel()))
    try:
        yield read
    finally:
        handle.remove()


@torch.no_grad()
def span_bits(model: LoadedModel, tasks: Sequence[SpanTask], tokenizer: Tokenizer, is_whole: bool) -> float:
    """Bits a byte of the spans given what stands around them: the ELBO of each as one block, as in `bits`."""
    read: Callable[[LoadedModel, SpanTask, list[int]], torch.Tensor] = _whole_logits if is_whole else _live_logits
    rng, nats, n_bytes = random.Random(0), 0.0, 0
    for task in tasks:
        n = len(task.gold)
        n_bytes += sum(len(tokenizer.token_bytes[token]) for token in task.gold)
        for _ in range(N_DRAWS):
            chosen = sorted(rng.sample(range(n), rng.randint(1, n)))
            shown = [tokenizer.id("<mask>") if i in chosen else token for i, token in enumerate(task.gold)]
            logits = read(model, task, shown).float().masked_fill(model.is_forbidden, -torch.inf)
            losses = F.cross_entropy(logits, torch.tensor(task.gold, device=logits.device), reduction="none")
            nats += float(losses[chosen].sum()) * n / len(chosen) / N_DRAWS
    return nats / math.log(2) / n_bytes


def _whole_logits(model: LoadedModel, task: SpanTask, shown: list[int]) -> torch.Tensor:
    """(n, V) of a span in place."""
    first = 1 + len(task.before)
    row = [model.tokenizer.id("<prefix>"), *task.before, *shown, *task.after]
    tokens = torch.tensor([row], device=model.device)
    hidden = model.backbone(tokens, torch.arange(len(row), device=model.device), Full())
    return model.backbone.logits(hidden[0, first : first + len(shown)])


def _live_logits(model: LoadedModel, task: SpanTask, shown: list[int]) -> torch.Tensor:
    """(n, V) of a span as a live block behind its context."""
    context = _context(model.tokenizer, task).tokens
    live, n = [*shown, model.tokenizer.id(LIVE_MARKER)], len(context)
    positions = torch.tensor([*range(n + len(shown)), n], device=model.device)
    seen = torch.ones(1, 1, len(live), n + len(live), dtype=torch.bool, device=model.device)
    hidden = model.backbone(torch.tensor([context + live], device=model.device), positions, TwoStream(n, seen))
    return model.backbone.logits(hidden[0, n:-1])

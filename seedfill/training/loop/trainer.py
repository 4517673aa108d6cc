"""The loop: rows → loss → gradients → step → log → state. Resumable at any step, on one process or several.

Every process draws its own share of a step's rows and gradients are summed over processes, so two processes give what
one gives. Weights are kept in float32; where bfloat16 is fast the network computes in a bfloat16 copy of them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import nn

from sampler.model.backbone import Backbone
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.messages import Policy
from seedfill.training.data import feed
from seedfill.training.data.corpus import Document
from seedfill.training.data.samples import Mix, SampleSource
from seedfill.training.loop import interrupts, state
from seedfill.training.loop.ema import RunningMean
from seedfill.training.loop.optimiser import make_optimisers
from seedfill.training.loop.own_model import as_model
from seedfill.training.loop.probe import probe
from seedfill.training.loop.recipe import Recipe
from seedfill.training.objectives import losses, stages

Log = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """What a run reads: training and held-out files, and the tokenizer."""

    train: list[Document]
    heldout: list[Document]
    tokenizer: Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What does not change a run's losses: where, how often, on what."""

    folder: Path
    """States and log.jsonl go here."""
    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32
    save_seconds: float = 300.0
    log_steps: int = 10
    evaluate_steps: int = 200
    probe_tasks: int = 24
    """Held-out lines filled at every evaluation; 0: none."""
    stop_after_steps: int | None = None
    compile: bool = False
    n_workers: int = 0
    """Processes that draw rows; 0: a thread, which is enough for a CPU."""


class Trainer:
    """One run. `run()` goes on from wherever `resume()` or `start_from()` put it, else from random weights."""

    def __init__(self, recipe: Recipe, data: Data, options: Options) -> None:
        self.recipe, self.options = recipe, options
        self.rank, self.world = _join()
        self.tokenizer = data.tokenizer
        self.data = data
        self.probed = data.heldout
        torch.manual_seed(recipe.seed)
        self.weights_model = initialised(Backbone(recipe.network)).to(options.device)
        self.weights = dict(self.weights_model.named_parameters())
        self.optimisers = make_optimisers(
            self.weights_model, matrix_lr=recipe.matrix_lr, other_lr=recipe.other_lr, dtype=options.dtype
        )
        self.base_rates = [group["lr"] for optimiser in self.optimisers for group in optimiser.param_groups]
        self.model = self._compute_model()
        self.network = cast(Backbone, torch.compile(self.model)) if options.compile else self.model
        self.stage = self.with_kept(self._stage())
        self.step = 0
        self.tokens_seen = 0
        """Tokens of the clean stream that gradients were taken over, padding left out."""
        self.inherited: dict[str, Any] = {}
        """What the weights that the run started from say of themselves, to be handed on."""
        self.mean = RunningMean()
        self.rewarm_from = -(10**9)
        self.unsaved: str | None = None
        """Why the newest state could not be written; None where it was."""
        self.is_stopped = False
        """Whether a signal stopped the run before its last step."""

    def resume(self) -> bool:
        """Go on exactly from the newest state in the folder; False where there is none."""
        saved = state.load_newest(self.options.folder, self.weights, self.optimisers)
        if saved is not None:
            self.step, self.inherited = saved.step, saved.inherited
            if self.recipe.mean_steps:
                self.mean = saved.mean.to(self.options.device)
            rows = saved.step * self.recipe.n_rows
            self.tokens_seen = rows * self.recipe.length if saved.tokens_seen is None else saved.tokens_seen
        self._publish()
        return saved is not None

    def start_from(self, weights: Mapping[str, torch.Tensor], step: int = 0, tokens_seen: int = 0) -> None:
        """Take exported weights; the optimiser starts with no moments and warms up again."""
        for name, parameter in self.weights.items():
            parameter.data.copy_(weights[name])
        self.step, self.tokens_seen = step, tokens_seen
        self.rewarm_from = step
        self._publish()

    def run(self, log: Log) -> None:
        """Train until the recipe's last step or `stop_after_steps`, or until a signal says to stop; states are saved on
        the way and at the end."""
        last = self.recipe.n_steps
        if self.options.stop_after_steps is not None:
            last = min(last, self.step + self.options.stop_after_steps)
        with interrupts.noticed() as signal:
            self._run(log, last, signal)

    def _run(self, log: Log, last: int, signal: Event) -> None:
        saved_at = logged_at = time.monotonic()
        logged_tokens = self.tokens_seen
        for batch in feed.batches(self._draw, self.step, last, self.options.n_workers):
            figures = self._train_step(batch)
            self.step += 1
            now = time.monotonic()
            self.is_stopped = self._summed([float(signal.is_set())])[0] > 0 and self.step < last
            if self.step % self.options.log_steps == 0 or self.step == last:
                rate = (self.tokens_seen - logged_tokens) / (now - logged_at)
                self._log(log, figures | {"tokens_per_s": round(rate, 1)})
                logged_at, logged_tokens = now, self.tokens_seen
            if (self.step % self.options.evaluate_steps == 0 or self.step == last) and not self.is_stopped:
                with self.averaged():
                    figures = self.evaluate() | self.probe()
                self._log(log, {f"heldout_{key}": value for key, value in figures.items()})
            if now - saved_at > self.options.save_seconds or self.step == last or self.is_stopped:
                self._save(log)
                saved_at = time.monotonic()
            if self.is_stopped:
                break

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """With the mean of the last weights, where the recipe keeps one, in place of the weights."""
        try:
            with self.mean.in_place_of(self.weights):
                self._publish()
                yield
        finally:
            self._publish()

    def evaluate(self, n_batches: int = 4) -> dict[str, float]:
        """Mean losses on fixed rows of the held-out packages, in nats a token."""
        if not self.probed:
            return {}
        sums: dict[str, float] = {}
        counts: dict[str, float] = {}
        with torch.no_grad():
            for i in range(n_batches):
                batch = self.stage.draw(seed=10_007, step=i, own=self._own_rows(), held_out=True)
                parts = self._parts(batch)
                for key, value in parts.sums.items():
                    sums[key] = sums.get(key, 0.0) + float(value)
                    counts[key] = counts.get(key, 0.0) + parts.counts[key]
        return {key: sums[key] / max(counts[key], 1.0) for key in sums}

    def probe(self) -> dict[str, float]:
        """Exact match and tokens per forward on a few held-out lines, read as the objective teaches."""
        if self.rank or not self.probed or self.options.probe_tasks == 0:
            return {}
        model = as_model(self.weights_model, self.tokenizer)
        policy: Policy = "sequential" if self.recipe.objective == "next_token" else "threshold"
        return probe(model, self.probed, policy, self.options.probe_tasks)

    def _compute_model(self) -> Backbone:
        """The network that computes: the weights themselves, or a copy of them in a faster dtype."""
        if self.options.dtype == torch.float32:
            model = self.weights_model
        else:
            model = Backbone(self.recipe.network).to(self.options.device, self.options.dtype)
            model.load_state_dict(self.weights_model.state_dict())
        return model

    def _stage(self) -> stages.Stage:
        """What the recipe's objective stands for; trajectories, which take time to make, are put in by `runs`."""
        recipe, data = self.recipe, self.data
        if recipe.objective == "next_token":
            return stages.NextToken(recipe, *self._samples(recipe.mix))
        if recipe.objective == "on_policy":
            sources = stages.PromptSource(data.train), stages.PromptSource(data.heldout)
            return stages.OnPolicy(recipe, as_model(self.model, data.tokenizer), *sources)
        return stages.Masked(recipe, *self._samples(recipe.mix))

    def with_kept(self, stage: stages.Stage) -> stages.Stage:
        """The stage with what goes on beside it, as far into its curriculum as the run is into its steps."""
        kept = self.recipe.beside
        if kept is None:
            return stage
        return stages.Beside(stage, stages.Masked(replace(kept, n_steps=self.recipe.n_steps), *self._samples(kept.mix)))

    def _samples(self, mix: Mix) -> tuple[SampleSource, SampleSource | None]:
        """Samples of training files, and of held-out ones where there are any."""
        data = self.data
        heldout = SampleSource(data.heldout, data.tokenizer, mix) if data.heldout else None
        return SampleSource(data.train, data.tokenizer, mix), heldout

    def _draw(self, step: int) -> Any:
        return self.stage.draw(seed=self.recipe.seed, step=step, own=self._own_rows(), held_out=False)

    def _own_rows(self) -> range:
        """This process's share of a step's rows."""
        share = self.recipe.n_rows // self.world
        return range(self.rank * share, (self.rank + 1) * share)

    def _parts(self, batch: Any) -> losses.LossParts:
        return self.stage.parts(self.network, batch, self.options.device, self.step)

    def _train_step(self, batch: Any) -> dict[str, float]:
        """One update; returns the step's mean losses over all processes."""
        parts = self._parts(batch)
        *found, n_tokens = self._summed([*parts.counts.values(), parts.n_tokens])
        counts = dict(zip(parts.counts, found, strict=True))
        loss = sum(parts.factors[key] * value / max(counts[key], 1.0) for key, value in parts.sums.items())
        assert isinstance(loss, torch.Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
        self._collect_gradients()
        norm = float(nn.utils.clip_grad_norm_(list(self.weights.values()), 1.0))
        if not norm == norm:
            raise state.StateError(f"The gradient of step {self.step} is not a number; nothing was changed or saved.")
        self._update()
        self.tokens_seen += round(n_tokens)
        sums = self._summed([float(value.detach()) for value in parts.sums.values()])
        means = {key: total / max(counts[key], 1.0) for key, total in zip(parts.sums, sums, strict=True)}
        return means | {"norm": norm}

    def _collect_gradients(self) -> None:
        """Gradients of the computing copy become float32 gradients of the weights, summed over processes."""
        for (_, computed), weight in zip(self.model.named_parameters(), self.weights.values(), strict=True):
            if computed is not weight and computed.grad is not None:
                weight.grad = computed.grad.float()
                computed.grad = None
            if self.world > 1:
                dist.all_reduce(weight.grad)

    def _update(self) -> None:
        factor = self.recipe.rate_factor(self.step, self.rewarm_from)
        groups = [group for optimiser in self.optimisers for group in optimiser.param_groups]
        for group, rate in zip(groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        if self.recipe.mean_steps:
            self.mean.add(self.weights, self.recipe.mean_steps)
        self._publish()

    def _publish(self) -> None:
        """Copy the weights into the computing copy, where there is one."""
        if self.model is not self.weights_model:
            with torch.no_grad():
                for (_, computed), weight in zip(self.model.named_parameters(), self.weights.values(), strict=True):
                    computed.copy_(weight)

    def _summed(self, values: list[float]) -> list[float]:
        if self.world == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.options.device)
        dist.all_reduce(total)
        return [float(value) for value in total]

    def _log(self, log: Log, figures: dict[str, Any]) -> None:
        if self.rank == 0:
            entry = {"step": self.step, "tokens": self.tokens_seen, **figures}
            try:
                self.options.folder.mkdir(parents=True, exist_ok=True)
                with (self.options.folder / "log.jsonl").open("a") as file:
                    file.write(json.dumps(entry) + "\n")
            except OSError as error:  # the figures are still said
                entry["warning"] = f"The log could not be written to {self.options.folder}: {error}"
            log(entry)

    def _save(self, log: Log) -> None:
        if self.rank == 0:
            try:
                saved = state.Saved(self.step, self.tokens_seen, self.inherited, self.mean)
                state.save(self.options.folder, saved, self.weights, self.optimisers)
                self.unsaved = None
            except state.StateError as error:
                self.unsaved = str(error)
                self._log(log, {"warning": self.unsaved})


def initialised(model: Backbone) -> Backbone:
    """Small normal weights; matrices that write to the residual stream start at zero."""
    for name, parameter in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.zeros_(parameter)
        elif parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.02 if "embed" in name or "lm_head" in name else parameter.shape[1] ** -0.5)
    return model


def _join() -> tuple[int, int]:
    """(rank, number of processes), joining the group that torchrun describes in the environment."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return (dist.get_rank(), world) if world > 1 else (0, 1)

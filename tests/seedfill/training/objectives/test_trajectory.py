import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.decoding.canvas import from_context
from sampler.decoding.denoise import denoise, read_context, start_row
from seedfill.training.data.corpus import Document
from seedfill.training.data.prompts import Prompt, PromptShape, draw_prompt
from seedfill.training.loop.own_model import as_model
from seedfill.training.objectives import trajectory_rows
from seedfill.training.objectives.noise import NoiseSchedule
from seedfill.training.objectives.trajectory import (
    NEVER,
    Trajectory,
    any_order,
    gold_trajectory,
    roll_out,
    sampling,
    select,
    transition,
)
from tests.support.tiny_model import LINES, tiny_backbone, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
MODEL = as_model(tiny_backbone(), TOKENIZER)
DOCUMENTS = [Document("p", f"p/{i}.py", "python", text * 3) for i, text in enumerate(LINES)]
SHAPE = PromptShape(prefix_characters=120, suffix_characters=60, max_tokens=20)
END = TOKENIZER.id("<span_end>")
SCHEDULES = [NoiseSchedule(kind) for kind in ("linear", "cosine", "log-linear")]


def _prompts(n: int) -> list[Prompt]:
    return [draw_prompt(DOCUMENTS, TOKENIZER, SHAPE, random.Random(i)) for i in range(n)]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 16), st.integers(0, 1000), st.sampled_from(SCHEDULES))
def test_an_order_decides_every_token_and_wastes_no_step(
    n: int, block_size: int, seed: int, schedule: NoiseSchedule
) -> None:
    order = any_order(n, block_size, schedule, random.Random(seed))
    assert len(order) == n
    for start in range(0, n, block_size):
        block = order[start : start + block_size]
        assert set(block) == set(range(max(block) + 1))


def test_the_transition_masks_at_its_rate_and_never_unmasks() -> None:
    rng, before, after = random.Random(0), 0.25, 0.7
    counts: Counter[bool] = Counter()
    for _ in range(400):
        now = transition([True, False, False, False], before, after, rng)
        assert now[0]
        counts.update(now[1:])
    assert abs(counts[True] / counts.total() - (after - before) / (1 - before)) < 0.04


def test_steps_of_the_transition_add_up_to_the_schedule() -> None:
    """Eq. 8 applied from time to time gives the marginal of Eq. 2."""
    rng, schedule, times = random.Random(1), NoiseSchedule("cosine"), [0.2, 0.4, 0.6]
    n_masked = 0
    for _ in range(500):
        is_masked = [False] * 8
        for before, after in zip([0.0, *map(schedule.rate, times[:-1])], map(schedule.rate, times), strict=True):
            is_masked = transition(is_masked, before, after, rng)
        n_masked += sum(is_masked)
    assert abs(n_masked / 4000 - schedule.rate(0.6)) < 0.03


def test_a_prompt_put_back_is_its_file() -> None:
    for prompt in _prompts(20):
        assert prompt.filled(TOKENIZER.decode(prompt.gold)) == prompt.text
        assert prompt.context.tokens[-1] == TOKENIZER.id("<middle>")
        assert SHAPE.min_tokens <= len(prompt.gold) <= SHAPE.max_tokens


def test_rollouts_are_what_the_sampler_writes_and_say_when() -> None:
    prompts = _prompts(3)
    own = [[sampling(f"{i}", 8, 0.3, 0.0)] for i in range(3)]
    rollouts = [group[0] for group in roll_out(MODEL, [p.context for p in prompts], own, 20)]
    for prompt, rollout, (how,) in zip(prompts, rollouts, own, strict=True):
        canvas = from_context(prompt.context, 20, frozenset({END}))
        row = start_row(MODEL, canvas, how, read_context(MODEL, canvas)[0])
        denoise(MODEL, [row])
        assert rollout.tokens == canvas.spans[0].tokens
        assert rollout.n_forwards == row.n_forwards
        made = _model_trajectory(prompt, rollout.tokens, rollout.order)
        n_commits = len(list(made.blocks()))
        assert made.n_steps <= rollout.n_forwards - n_commits  # steps behind the end decide nothing that stays


def _model_trajectory(prompt: Prompt, tokens: list[int], order: list[int]) -> Trajectory:
    return Trajectory(sample=0, source="model", context=prompt.context.tokens, tokens=tokens, order=order, block_size=8)


def test_the_elbo_is_what_the_steps_said() -> None:
    """The ELBO of a rollout is the sum of the log-probabilities with which its steps decided."""
    prompt = _prompts(1)[0]
    said: list[float] = []
    canvas = from_context(prompt.context, 6, frozenset())
    row = start_row(MODEL, canvas, sampling("a", 6, 1.0, 0.0), read_context(MODEL, canvas)[0])

    def listen(seen: object) -> None:
        block = canvas.spans[0].block
        if block is not None and not bool(block.is_masked.any()):
            said.append(float(block.confidence.log().sum()))

    denoise(MODEL, [row], listen)
    rollout = roll_out(MODEL, [prompt.context], [[sampling("a", 6, 1.0, 0.0)]], 6)[0][0]
    if END in rollout.tokens:
        pytest.skip("the tiny model ended the span; what was said behind the end is lost")
    trajectory = Trajectory(
        sample=0,
        source="model",
        context=prompt.context.tokens,
        tokens=rollout.tokens,
        order=rollout.order,
        block_size=6,
    )
    scored = trajectory_rows.scored(MODEL, [trajectory])[0]
    assert scored.elbo is not None
    assert scored.elbo * len(rollout.tokens) == pytest.approx(said[0], abs=1e-3)


def test_states_show_what_was_decided_before_and_pads_never() -> None:
    trajectory = Trajectory(
        sample=0, source="any-order", context=[5], tokens=[90, 91, 92, 93, END], order=[1, 0, 1, 0, 1], block_size=4
    )
    found = list(trajectory_rows.states(trajectory, END))
    assert [(s.start, s.step) for s in found] == [(0, 0), (0, 1), (4, 0), (4, 1)]
    assert found[1].is_masked == [True, False, True, False]
    assert found[2].tokens == [END] * 4
    assert found[2].order == [1, NEVER, NEVER, NEVER]
    assert trajectory.n_steps == 4


def test_selection_keeps_the_best_of_each_sample_and_source() -> None:
    prompt = _prompts(1)[0]
    base = gold_trajectory(prompt, 8, random.Random(0))
    pool = [_with(base, sample=s, elbo=e) for s, e in ((0, -2.0), (0, -1.0), (1, -3.0))]
    pool.append(_with(base, sample=0, elbo=-0.1, source="model"))
    kept = select(pool)
    assert {(t.sample, t.source, t.elbo) for t in kept} == {
        (0, "any-order", -1.0),
        (1, "any-order", -3.0),
        (0, "model", -0.1),
    }
    assert select([base]) == [base]
    with pytest.raises(ValueError, match="score them first"):
        select([base, base])


def _with(base: Trajectory, **changes: object) -> Trajectory:
    return replace(base, **changes)  # type: ignore[arg-type]

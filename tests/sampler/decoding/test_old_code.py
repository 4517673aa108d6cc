"""Edits that start from old code: what stays is what the model does not want otherwise, and what is locked always."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sampler.decoding.canvas import Canvas
from sampler.decoding.denoise import Row, denoise, denoise_step, read_context, start_row, stop
from sampler.decoding.old_code import OldCode
from sampler.decoding.prompt import canvases
from sampler.decoding.unmask import Sampling
from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model import checkpoint
from sampler.model.attention import Packed
from sampler.model.backbone import Backbone
from sampler.model.checkpoint import LoadedModel
from sampler.model.families import FamilyProfile
from sampler.protocol.messages import BadMessage, Edit, Failure, InfillRequest, InfillResult
from tests.sampler.decoding.test_denoise import DREAM_MODEL, FIRST_TEXT, MODEL, SEEDFILL, TOKENIZER, VOCAB, make_canvas
from tests.sampler.decoding.test_edits import DELETE, END, EXPAND, MARKER, PROFILE
from tests.support.tiny_model import tiny_backbone, tiny_shape

A, B, C, D, X, Y = range(FIRST_TEXT, FIRST_TEXT + 6)
STOP = frozenset({END})


class ScriptedModel:
    """Reads causally that `next_of[what was written]` comes next; judges live blocks by `judged`."""

    def __init__(
        self,
        new: Sequence[int] = (),
        judged: dict[tuple[int, ...], Sequence[int]] | None = None,
        profile: FamilyProfile = PROFILE,
        n_context: int = 20,
    ) -> None:
        self.new, self.judged, self.profile, self.n_context = [*new, END], judged or {}, profile, n_context
        self.is_forbidden = torch.zeros(VOCAB, dtype=torch.bool)
        self.is_forbidden[list(profile.forbidden_ids)] = True
        self.network: Any = self
        self.config = tiny_shape()
        self.n_read = 0

    read: Any = Backbone.read
    threads: Any = Backbone.threads

    def __call__(self, tokens: Tensor, positions: Tensor, attend: Packed) -> Tensor:
        nothing = torch.zeros(1, 1, tokens.shape[1], 2)
        attend(0, nothing, nothing, nothing)
        row = tokens[0].tolist()
        if row[-1] == MARKER:
            return self._say([*self.judged.get(tuple(row[:-1]), row[:-1]), 0])
        places = (positions[0] if positions.ndim == 2 else positions).tolist()
        self.n_read += len(row)
        return self._say([self._following(place - self.n_context + 1) for place in places])

    def _following(self, i: int) -> int:
        return self.new[i] if 0 <= i < len(self.new) else END

    @staticmethod
    def _say(said: Sequence[int]) -> Tensor:
        return torch.eye(VOCAB)[list(said)][None] * 20.0

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden


def edited(
    model: Any, old: Sequence[int], locked: Sequence[int] = (), limit: int = 40, block: int = 8, **sampling: Any
) -> Row:
    canvas = make_canvas(20, limit, stops=STOP)
    canvas.spans[0].old_code = OldCode([*old, END], [i in locked for i in range(len(old))] + [False])
    policy = sampling.pop("policy", "verified")
    row = start_row(
        model, canvas, Sampling(policy, 0.5, block, is_edit=True, **sampling), read_context(model, canvas)[0]
    )
    denoise(model, [row])
    return row


def written(row: Row) -> list[int]:
    return [token for token in row.canvas.spans[0].text_tokens(SEEDFILL.mask_id) if token != END]


old_codes = st.lists(st.integers(FIRST_TEXT, FIRST_TEXT + 5), min_size=1, max_size=14)


@given(old_codes, old_codes)
@settings(max_examples=60, deadline=None)
def test_by_agreement_what_comes_out_is_what_the_model_reads(old: list[int], new: list[int]) -> None:
    row = edited(ScriptedModel(new), old)
    assert written(row) == new
    assert row.canvas.spans[0].finish == "end"
    assert row.n_forwards <= 2 * len(new) + 2


@pytest.mark.parametrize(
    ("old", "new", "n_forwards"),
    [
        ([A, B, C, D] * 5, [A, B, C, D] * 5, 1),
        ([A, B, C, D, A], [A, X, C, D, A], 2),
        ([A, B, C, D], [A, X, B, C, D], 3),
        ([A, B, C, D, A], [A, C, D, A], 2),
    ],
    ids=["unchanged", "replaced", "inserted", "left out"],
)
def test_what_stays_costs_no_pass_of_its_own(old: list[int], new: list[int], n_forwards: int) -> None:
    row = edited(ScriptedModel(new), old)
    assert (written(row), row.n_forwards) == (new, n_forwards)


JUDGED: dict[str, tuple[list[int], dict[tuple[int, ...], Sequence[int]], list[int]]] = {
    "kept": ([A, B, C], {}, [A, B, C]),
    "replaced": ([A, B, C], {(A, B): (A, X)}, [A, X, C]),
    "left out, and what follows moves up": ([A, B, C, D], {(A, B): (DELETE, DELETE)}, [C, D]),
    "left out to the end": ([A, B], {(A, B): (A, DELETE)}, [A]),
    "inserted": ([A, B, C], {(A, B): (A, EXPAND), (A, SEEDFILL.mask_id, B): (A, X, B)}, [A, X, B, C]),
    "inserted before the end": ([A], {(A, END): (A, EXPAND), (A, SEEDFILL.mask_id, END): (A, X, END)}, [A, X]),
    "ended early": ([A, B, C, D], {(A, B): (A, END)}, [A]),
}


@pytest.mark.parametrize("name", JUDGED)
def test_a_model_taught_to_edit_judges_the_old_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampler.decoding.unmask.OLD_CODE_SIZE", 2)  # several blocks of so little code
    old, judged, new = JUDGED[name]
    row = edited(ScriptedModel(judged=judged), old, block=2, policy="threshold", edit_threshold=0.9)
    assert (written(row), row.canvas.spans[0].finish) == (new, "end")


def test_a_doubt_leaves_the_old_code_as_it_is() -> None:
    model = ScriptedModel([A, X, C])
    model._say = lambda said: torch.eye(VOCAB)[list(said)][None] * 6.0  # type: ignore[method-assign]
    assert written(edited(model, [A, B, C], edit_threshold=0.9)) == [A, B, C]
    assert written(edited(model, [A, B, C], edit_threshold=0.3)) == [A, X, C]


@given(st.integers(0, 10**6), old_codes, st.data(), st.sampled_from(["verified", "threshold"]), st.integers(0, 6))
@settings(max_examples=80, deadline=None)
def test_a_locked_token_is_never_changed(seed: int, old: list[int], data: Any, policy: Any, room: int) -> None:
    """A model without sense or memory, leaning towards ending, growing and shrinking; stopped at any moment."""
    locked = data.draw(st.sets(st.integers(0, len(old) - 1), min_size=1))
    n_steps = data.draw(st.integers(0, 30))
    generator = torch.Generator().manual_seed(seed)
    lean = torch.zeros(VOCAB)
    lean[[END, EXPAND, DELETE]] = 4.0
    model = ScriptedModel()
    model._say = lambda said: (torch.randn(len(said), VOCAB, generator=generator) * 2 + lean)[None]  # type: ignore[method-assign]
    canvas = make_canvas(20, len(old) + 1 + room, stops=STOP)
    canvas.spans[0].old_code = OldCode([*old, END], [i in locked for i in range(len(old))] + [False])
    sampling = Sampling(policy, 0.5, 4, is_edit=True, edit_threshold=0.2)
    row = start_row(model, canvas, sampling, read_context(model, canvas)[0])
    for _ in range(n_steps):
        if not canvas.is_finished:
            denoise_step(model, [row])
            assert holds(written(row), old, locked)
    stop(row, "deadline")
    assert holds(written(row), old, locked)
    assert row.n_forwards < 400


def holds(new: list[int], old: list[int], locked: set[int]) -> bool:
    """Whether the locked stretches of the old code stand in the new one, whole and in order."""
    at = 0
    for start in sorted(locked):
        if start - 1 in locked:
            continue
        end = next(i for i in range(start, len(old) + 1) if i not in locked)
        stretch = old[start:end]
        at = next((i for i in range(at, len(new) - len(stretch) + 1) if new[i : i + len(stretch)] == stretch), -1)
        if at < 0:
            return False
        at += len(stretch)
    return True


@given(st.integers(0, 99), st.sampled_from([SEEDFILL, PROFILE]), st.integers(1, 12))
@settings(max_examples=5, deadline=None)
def test_any_network_ends_and_agreement_equals_token_by_token(seed: int, profile: FamilyProfile, block: int) -> None:
    model = checkpoint.loaded("tiny", tiny_backbone(seed), TOKENIZER, profile, 2048)
    old = random.Random(seed).choices(range(FIRST_TEXT, VOCAB), k=12)

    def row(policy: Any, draft: list[int] | None, **more: Any) -> Row:
        canvas = make_canvas(15, 20, seed=seed, stops=STOP)
        canvas.spans[0].old_code = OldCode([*draft, END], [False] * (len(draft) + 1)) if draft is not None else None
        sampling = Sampling(policy, 0.0, block, is_edit=draft is not None, **more)
        row = start_row(model, canvas, sampling, read_context(model, canvas)[0])
        denoise(model, [row])
        return row

    alone = row("sequential", None).canvas.spans[0]
    by_agreement = row("verified", old).canvas.spans[0]
    assert by_agreement.tokens == alone.tokens
    torch.testing.assert_close(by_agreement.log_probs, alone.log_probs, atol=1e-3, rtol=0)
    assert row("threshold", old, edit_threshold=0.1).canvas.is_finished


def answer(model: LoadedModel, **fields: Any) -> InfillResult | Failure:
    heard: list[Any] = []
    board = Scheduler()
    edit = Edit(**{"selection": "    return first + second\n", **fields.pop("edit", {})})
    whole = {"document": "d", "pieces": ("def add(first, second):\n", "\n"), "instruction": "swap", "max_tokens": 9}
    board.admit(Job(InfillRequest(edit=edit, **{**whole, **fields}), heard.append), model)
    while board.active:
        board.round()
    result: InfillResult | Failure = heard[-1]
    return result


@pytest.mark.parametrize("start", ["selection", "masks"])
def test_an_edit_is_answered_like_an_infill(start: str) -> None:
    result = answer(MODEL, edit={"start": start})
    assert isinstance(result, InfillResult)
    (candidate,) = result.candidates
    assert candidate.finish in ("end", "length") and candidate.forwards > 0 and 0 < candidate.confidence < 1


def test_a_late_edit_leaves_the_old_code_as_it_is() -> None:
    result = answer(MODEL, deadline_ms=0)
    assert isinstance(result, InfillResult)
    (candidate,) = result.candidates
    assert (candidate.fills, candidate.finish) == (("    return first + second\n",), "deadline")


def test_locks_name_characters() -> None:
    selection = "    return first + second\n"
    locks = ((4, 10), (17, 18))
    result = answer(MODEL, edit={"selection": selection, "locks": locks})
    assert isinstance(result, InfillResult)
    (text,) = result.candidates[0].fills
    assert "+" in text[text.index("return") :]


def test_nothing_comes_before_a_locked_start_or_behind_a_locked_end() -> None:
    selection = "    return first + second\n"
    for seed in range(3):
        model = checkpoint.loaded("tiny", tiny_backbone(seed), TOKENIZER, SEEDFILL, 2048)
        result = answer(model, edit={"selection": selection, "locks": ((0, 4), (19, len(selection)))})
        assert isinstance(result, InfillResult)
        (text,) = result.candidates[0].fills
        assert text.startswith("    ") and text.endswith(selection[19:])


def test_the_old_code_stands_in_the_context_once() -> None:
    request = InfillRequest(document="d", pieces=("a", "b"), instruction="i", edit=Edit(selection="old code"))
    (canvas,) = canvases(request, TOKENIZER, SEEDFILL, 2048)
    assert [name for name, _ in canvas.parts] == ["header", "suffix", "prefix", "selection", "middle"]
    assert "old code" in TOKENIZER.decode(canvas.context)
    assert canvas.fill(canvas.spans[0], TOKENIZER, SEEDFILL.mask_id) == "old code"


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: answer(DREAM_MODEL), "only fills gaps"),
        (lambda: answer(MODEL, policy="threshold"), "not taught to judge old code"),
        (lambda: answer(MODEL, edit={"selection": "x = 1\n" * 900}), "select less"),
        (lambda: answer(MODEL, edit={"locks": ((3, 2),)}), "in order"),
        (lambda: answer(MODEL, edit={"locks": ((0, 99),)}), "within the selection"),
        (lambda: answer(MODEL, edit={"locks": ((0, 1, 2),)}), "a start and an end"),
        (lambda: answer(MODEL, edit={"locks": ((0, 1),), "start": "masks"}), "need the start"),
        (lambda: answer(MODEL, pieces=("a", "b", "c")), "one span"),
        (lambda: answer(MODEL, one_line=True), "not one_line"),
    ],
)
def test_what_cannot_be_edited_is_said_in_a_sentence(ask: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(BadMessage, match=sentence):
        ask()


def test_confidence_speaks_of_what_changed() -> None:
    from sampler.engine.results import _telling

    span = Canvas([], [], make_canvas(20, 20).spans, STOP).spans[0]
    span.old_code = OldCode([A, B, C, D, END], [False] * 5)
    span.log_probs = [-1.0, -2.0, -3.0, -4.0, -5.0]
    for new, telling in (
        ([A, B, C, D, END], [-1.0, -2.0, -3.0, -4.0, -5.0]),
        ([A, X, C, D, END], [-2.0]),
        ([A, X, B, C, END], [-2.0, -5.0]),
        ([B, C, D, END], [-1.0]),
        ([A, D, END], [-2.0]),
    ):
        span.tokens = new
        span.log_probs = [-1.0, -2.0, -3.0, -4.0, -5.0][: len(new)]
        assert _telling(span, Sampling("verified", 0.0, 8, is_edit=True)) == telling
    span.judged = [-0.5]  # acted upon, or doubted
    assert _telling(span, Sampling("threshold", 0.9, 8, edit_threshold=0.9, is_edit=True)) == [-0.5]


def test_a_long_insertion_does_not_pay_for_long_drafts() -> None:
    old, new = [A, B, C, D] * 8, [A, B] + [X, Y] * 10 + [C, D] + [A, B, C, D] * 7
    model = ScriptedModel(new)
    assert written(edited(model, old, limit=80)) == new
    assert model.n_read < 20 * 8 + 8 * 32, "passes are short while nothing is kept, and long again afterwards"

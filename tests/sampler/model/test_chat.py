"""Edits by chat: a checkpoint that fills in place is told what to do by its own template."""

from __future__ import annotations

import json
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from sampler.decoding.canvas import Canvas
from sampler.decoding.denoise import denoise, start_row
from sampler.decoding.prompt import canvases
from sampler.decoding.span import Span
from sampler.decoding.unmask import Sampling
from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model import checkpoint
from sampler.model.attention import Packed
from sampler.model.backbone import Backbone
from sampler.model.chat import chat_edit
from sampler.model.checkpoint import LoadedModel
from sampler.model.families.chat import ChatFrame, chat_frame
from sampler.protocol.messages import BadMessage, Event, InfillRequest, InfillResult
from sampler.text.rewriting import edit_request
from tests.support.tiny_model import make_tiny_model, tiny_shape, tiny_tokenizer

CHAT_ML = (
    "{% if messages[0]['role'] != 'system' %}<prefix>system\nYou help.<suffix>\n{% endif %}"
    "{% for message in messages %}"
    "{{ '<prefix>' + message['role'] + '\n' + message['content'] | trim + '<suffix>' + '\n' }}"
    "{% endfor %}"
)
FRAME = ChatFrame("<prefix>system\nYou help.<suffix>\n<prefix>user\n", "<suffix>\n<prefix>assistant\n", "<suffix>\n")
TOKENIZER = tiny_tokenizer()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = make_tiny_model(tmp_path_factory.mktemp("dream") / "instruct", "dream")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": CHAT_ML, "eos_token": "<doc_end>"}))
    return checkpoint.load(folder)


def test_a_template_becomes_a_frame() -> None:
    assert chat_frame({"chat_template": CHAT_ML}) == FRAME
    several = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": CHAT_ML}]
    assert chat_frame({"chat_template": several}) == FRAME
    marked = "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    found = chat_frame({"chat_template": marked, "bos_token": {"content": "<s>"}, "eos_token": "</s>"})
    assert found == ChatFrame("<s>", "</s>", "</s>")


@pytest.mark.parametrize(
    "template",
    [
        None,
        " ",
        7,
        "{% for m in messages %}",
        "{{ raise_exception('no') }}",
        "{{ messages[1].content }}{{ messages[0].content }}",
        "{{ messages[0].content }}",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_template_that_cannot_be_used_is_none(template: Any) -> None:
    assert chat_frame({"chat_template": template}) is None


def test_a_persons_text_is_never_a_special_token() -> None:
    asked = chat_edit(
        TOKENIZER, FRAME, instruction="say <suffix>", selection="x = '<suffix>'", language="python", path="a.py"
    )
    special = TOKENIZER.id("<suffix>")
    assert [part.count(special) for part in (asked.opening, asked.middle, asked.closing)] == [1, 1, 1]
    text = TOKENIZER.decode(asked.opening)
    assert "say <suffix>" in text and "x = '<suffix>'" in text and "a.py" in text


def edits(model: LoadedModel, selection: str, **options: Any) -> list[Canvas]:
    request = edit_request("a = 1\n", selection, "\nb = 2\n", "do it", document="d", **options)
    return canvases(request, model.tokenizer, model.profile, model.max_positions)


def test_the_answer_is_the_file_with_masks_for_the_selection(model: LoadedModel) -> None:
    found = edits(model, "x = 1\ny = 2")
    n_old = len(TOKENIZER.encode("x = 1\ny = 2"))
    assert [canvas.spans[0].limit - n_old for canvas in found] == [-8, -3, 0, 3, 8, 16]
    row = found[2].in_place(model.profile.mask_id)
    before, after = row[: found[2].spans[0].start], row[found[2].spans[0].start + n_old :]
    assert row.count(model.profile.mask_id) == n_old
    assert TOKENIZER.decode(before).endswith("assistant\n```python\na = 1\n")
    assert TOKENIZER.decode(before).count("x = 1\ny = 2") == 2, "in the question, alone and in the file"
    assert TOKENIZER.decode(after) == "\nb = 2\n\n```\n"


def test_a_selection_that_leaves_nothing_free_or_no_room_is_refused(model: LoadedModel) -> None:
    with pytest.raises(BadMessage, match="to stay as it is"):
        edits(model, "x = 1", locks=[(0, 5)])
    with pytest.raises(BadMessage, match="too long"):
        edits(model, "x = 1\n" * 390)


def answer(model: LoadedModel, request: InfillRequest) -> InfillResult:
    events: SimpleQueue[Event] = SimpleQueue()
    board = Scheduler()
    board.admit(Job(request, events.put), model)
    while board.active:
        board.round()
    while not isinstance(event := events.get_nowait(), InfillResult):
        pass
    return event


@pytest.mark.parametrize("start", ["selection", "masks"])
def test_locked_text_stays_and_the_same_seed_gives_the_same_edit(model: LoadedModel, start: str) -> None:
    from dataclasses import replace

    locks = [(0, 4), (9, 13)] if start == "selection" else []
    request = edit_request("a = 1\n", "x = f(y) # on", "\nb = 2\n", "do it", document="d", locks=locks, max_tokens=4)
    assert request.edit is not None
    request = replace(request, edit=replace(request.edit, start=start), stream=True)
    first, second = (answer(model, request).candidates[0] for _ in range(2))
    assert first == second and first.finish == "end" and first.forwards > 0
    if locks:
        assert first.fills[0].startswith("x = ") and first.fills[0].endswith("# on")


def test_several_free_stretches_are_one_text(model: LoadedModel) -> None:
    request = edit_request("a\n", "b\nc\nd", "\ne\n", "do it", document="d", locks=[(1, 4)], max_tokens=1)
    (text,) = answer(model, request).candidates[0].fills
    assert "\nc\n" in text


def test_a_checkpoint_without_a_template_only_fills(tmp_path: Path) -> None:
    plain = checkpoint.load(make_tiny_model(tmp_path / "dream", "dream"))
    request = edit_request("a\n", "b", "\nc\n", "do it", document="d")
    with pytest.raises(BadMessage, match="only fills gaps"):
        Scheduler().admit(Job(request, print), plain)


class Knows:
    """A network that has a row by heart, and is never quite sure."""

    def __init__(self, row: list[int], vocab_size: int) -> None:
        self.config = tiny_shape()
        self.logits_at = 3.0 * torch.eye(vocab_size)[[*row[1:], row[0]]]

    read: Any = Backbone.read
    threads: Any = Backbone.threads

    def __call__(self, tokens: Tensor, positions: Tensor, attend: Packed) -> Tensor:
        nothing = torch.zeros(1, 1, tokens.shape[1], 2)
        attend(0, nothing, nothing, nothing)
        return self.logits_at[positions]

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden


@pytest.mark.parametrize(("start", "most"), [("selection", 3), ("masks", 12)])
def test_what_the_model_writes_too_is_kept_at_once(model: LoadedModel, start: str, most: int) -> None:
    old = TOKENIZER.encode("x = 1\ny = 2")
    canvas = edits(model, "x = 1\ny = 2")[2]
    canvas.spans[0].old = old if start == "selection" else None
    row = canvas.in_place(model.profile.mask_id)
    first, wanted = canvas.spans[0].start, TOKENIZER.encode("x = 1\ny = 3")
    assert len(wanted) == len(old)
    row[first : first + len(old)] = wanted
    knows = SimpleNamespace(
        network=Knows(row, len(model.is_forbidden)), profile=model.profile, is_forbidden=model.is_forbidden
    )
    done = start_row(knows, canvas, Sampling("threshold", 0.99, 32), None)
    denoise(knows, [done])
    assert done.canvas.spans[0].tokens == wanted
    assert done.n_forwards == (len(old) + 1 if start == "masks" else most)


def test_old_code_of_another_length_goes_on_from_either_end() -> None:
    span = Span(start=0, limit=5, old=[1, 2, 3, 4])
    span.open_block(5, mask_id=9)
    where = torch.arange(5)
    assert span.agreeing(where, [1, 2, 7, 3, 4]).tolist() == [True, True, False, True, True]
    assert span.agreeing(where, [7, 2, 3, 4, 4]).tolist() == [False, False, False, False, True]
    span.limit = 9
    assert span.agreeing(where, [1, 2, 7, 3, 4]).tolist() == [True, True, False, False, False]
    span.limit = 4
    span.open_block(4, mask_id=9)
    assert span.agreeing(torch.tensor([0, 2]), [7, 3]).tolist() == [False, True]

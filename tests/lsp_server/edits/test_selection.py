"""From a selection to the smallest edits: nothing outside the selection changes, in no encoding, with no line ends."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import get_args

import pytest

from lsp_server.edits.selection import Replacement, applied, replacements, rewrite_request, seen, select
from lsp_server.workspace.documents import Change, Document, Encoding
from sampler.protocol.messages import Candidate, Edit, InfillRequest, InfillResult
from sampler.text.rewriting import MAX_SELECTION, PARSE_ROUNDS, Refusal, rewrite, rewritten

N_EDITS = 10_000
PIECES = ("x", "def", " ", "    ", "\t", "é", "漢", "😀", "\f", "\u2028", "\x85", "\r", "\ud800", "(", "a = b")
LINE_ENDS = ("\n", "\r\n")


def random_text(rng: random.Random) -> str:
    ends = rng.choice((("\n",), ("\r\n",), LINE_ENDS))
    lines = ["".join(rng.choices(PIECES, k=rng.randrange(5))) + rng.choice(ends) for _ in range(rng.randrange(9))]
    return "".join(lines)[: rng.choice((None, -1))]


def scripted(request: InfillRequest, rng: random.Random) -> str:
    """What a model might make of the selection: lines changed, lost, doubled, swapped; locked ends stay."""
    assert request.edit
    old, locks = request.edit.selection, request.edit.locks
    head = old[: locks[0][1]] if locks and locks[0][0] == 0 else ""
    tail = old[locks[-1][0] :] if locks and locks[-1][1] == len(old) > len(head) else ""
    lines = old[len(head) : len(old) - len(tail)].split("\n")
    for _ in range(rng.randrange(4)):
        i = rng.randrange(len(lines) + 1)
        change = rng.choice(("insert", "delete", "change", "swap"))
        if change == "insert":
            lines.insert(i, "".join(rng.choices(PIECES[:-4], k=3)))
        elif change == "swap":
            lines.reverse()
        elif i < len(lines):
            lines[i : i + 1] = [] if change == "delete" else [lines[i][: rng.randrange(4)] + "new" + lines[i][4:]]
    return head + "\n".join(lines) + tail


def test_ten_thousand_edits_change_nothing_outside_the_selection() -> None:
    rng = random.Random(5)
    n_changed = 0
    for i in range(N_EDITS):
        text = random_text(rng)
        encoding: Encoding = get_args(Encoding)[i % 3]
        document = Document("file:///a.py", "python", 1, text, encoding)
        start, end = sorted(document.offset(document.position(rng.randrange(len(text) + 1))) for _ in range(2))
        selection = select(text, start, end)
        request = rewrite_request(selection, "do it", document="d")
        new = scripted(request, rng)
        changes = replacements(selection, new)
        after = applied(text, changes)
        n_changed += after != text

        low, high = selection.chosen
        assert after.startswith(text[:low]) and after.endswith(text[high:])
        inside = after[selection.start : len(after) - (len(text) - selection.end)]
        assert plain(inside) == plain(new)
        assert [change for change in changes if change.start > change.end] == []
        assert all(one.end <= other.start for one, other in zip(changes, changes[1:], strict=False))

        at_positions = [
            Change(change.text, document.position(change.start), document.position(change.end)) for change in changes
        ]
        document.apply(reversed(at_positions), 2)
        assert document.text == after, "what a client makes of the positions"
    assert n_changed > N_EDITS // 3


def plain(text: str) -> str:
    """With one line end for one or several: a carriage return that stood alone may come to stand before a line feed."""
    return re.sub("[\ud800-\udfff]", "\ufffd", re.sub(r"[\r\n]+", "\n", text))


def test_lines_that_stay_are_not_touched() -> None:
    text = "a = 1\r\nb = 2\nc = 3\r\nd = 4\r\n"
    changes = replacements(select(text, 0, len(text)), "a = 1\nb = 20\nc = 3\nx = 9\nd = 4")
    assert changes == [Replacement(12, 12, "0"), Replacement(20, 20, "x = 9\r\n")]
    assert replacements(select(text, 7, 12), "b = 2\nb = 3") == [Replacement(12, 12, "\r\nb = 3")]


@pytest.mark.parametrize(
    ("marked", "lines", "locks"),
    [
        ("a\n[b\nc\n]d\n", "b\nc", ()),
        ("a\nb[]b\nc\n", "bb", ()),
        ("  [x = 1]  # why\n", "  x = 1  # why", ((0, 2), (7, 14))),
        ("if a:\r\n    [b\r\n    c]\r\nd", "    b\n    c", ((0, 4),)),
        ("[]", "", ()),
        ("a\n[\n]b", "", ()),
    ],
)
def test_a_selection_is_widened_to_lines_and_what_was_added_is_locked(
    marked: str, lines: str, locks: tuple[tuple[int, int], ...]
) -> None:
    start, end = marked.index("["), marked.index("]") - 1
    selection = select(marked.replace("[", "").replace("]", ""), start, end)
    assert (selection.lines, selection.locks) == (lines, locks)


def test_what_is_to_stay_is_locked_wherever_it_stands() -> None:
    rng = random.Random(7)
    for _ in range(1_000):
        text = random_text(rng)
        document = Document("file:///a.py", "python", 1, text, "utf-16")
        places = sorted(document.offset(document.position(rng.randrange(len(text) + 1))) for _ in range(6))
        selection = replace(select(text, places[0], places[5]), kept=((places[1], places[2]), (places[3], places[4])))
        locks = rewrite_request(selection, "do it", document="d").edit.locks  # type: ignore[union-attr]
        low, high = selection.chosen
        kept = [
            (low, low),
            *((max(a, selection.start), min(b, selection.end)) for a, b in selection.kept),
            (high, high),
        ]
        inside = "".join(text[a:b] for a, b in [(selection.start, low), *kept, (high, selection.end)] if a < b)
        locked = "".join(selection.lines[a:b] for a, b in locks)
        overlaps = any(b > c for (_, b), (c, _) in zip(kept, kept[1:], strict=False) if b > c)
        assert overlaps or plain(locked) == plain(seen(inside))
        assert all(b < c for (_, b), (c, _) in zip(locks, locks[1:], strict=False))


def test_the_model_sees_unix_lines_around_the_selection() -> None:
    request = rewrite_request(select("a\r\nb\r\nc\r\n", 3, 4), " add\n types ", document="d", language="python")
    assert request.pieces == ("a\n", "\nc\n")
    assert request.edit == Edit(selection="b")
    assert request.instruction == "add types"


def answered(text: str, confidence: float = 0.9, finish: str = "end") -> InfillResult:
    best = Candidate(fills=(text,), tokens=1, forwards=1, confidence=confidence, finish=finish)  # type: ignore[arg-type]
    return InfillResult(
        candidates=(best,), model="m", device="cpu", ms=1, load_ms=0, tokens_computed=1, cache_miss="cold"
    )


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (answered("x = 1"), "change nothing"),
        (answered("x = 2", confidence=0.1), "not sure how to do that \\(10%\\)"),
        (answered("x = 2", finish="deadline"), "in time"),
        (answered("x = 2", finish="length"), "no end"),
    ],
)
def test_an_answer_that_must_not_be_shown_is_refused_in_a_sentence(result: InfillResult, sentence: str) -> None:
    request = rewrite_request(select("x = 1", 0, 0), "do it", document="d")
    with pytest.raises(Refusal, match=sentence):
        rewritten(request, result)


def test_what_must_stay_is_looked_for_once_more() -> None:
    request = rewrite_request(select("  x = 1  # why", 2, 7), "do it", document="d")
    assert rewritten(request, answered("  x = 2  # why")) == "  x = 2  # why"
    for bad in ("x = 2  # why", "  x = 2", "   x = 2  # why not", "y  x = 2  # why"):
        with pytest.raises(Refusal, match="must stay"):
            rewritten(request, answered(bad))


def test_a_selection_that_is_too_long_is_refused() -> None:
    with pytest.raises(Refusal, match="at most"):
        rewrite_request(select("x" * (MAX_SELECTION + 1), 0, 0), "do it", document="d")


class Replies:
    """A sampler that gives one text after the other."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.requests = list(texts), list[InfillRequest]()

    async def __call__(self, request: InfillRequest) -> InfillResult:
        self.requests.append(request)
        return answered(self.texts[min(len(self.requests), len(self.texts)) - 1])


async def test_lines_that_do_not_parse_are_written_again_with_the_others_locked() -> None:
    text = "def f(a):\n    b = a\n    return b\n"
    request = rewrite_request(select(text, 10, 32), "double it", document="d", language="python")
    replies = Replies("    b = a +* 2\n    return b", "    b = a * 2\n    return b")
    rewriting = await rewrite(replies, request)
    assert (rewriting.text, rewriting.n_rounds) == ("    b = a * 2\n    return b", 1)
    assert replies.requests[1].edit == Edit(selection="    b = a +* 2\n    return b", locks=((15, 27),))
    assert replies.requests[1].instruction == "double it"


async def test_what_was_written_from_masks_is_written_again_from_what_came() -> None:
    request = rewrite_request(select("x = 1\ny = 2\n", 0, 11), "do it", document="d", language="python")
    assert request.edit
    request = replace(request, edit=replace(request.edit, start="masks"))
    replies = Replies("x = (1\ny = 3", "x = 1\ny = 3")
    assert (await rewrite(replies, request)).text == "x = 1\ny = 3"
    assert [asked.edit.start for asked in replies.requests if asked.edit] == ["masks", "selection"]


async def test_what_never_parses_is_refused_after_a_few_rounds() -> None:
    request = rewrite_request(select("x = 1\n", 0, 5), "do it", document="d", language="python")
    replies = Replies("x = (1", "x = ((1", "x = (((1")
    with pytest.raises(Refusal, match="does not parse"):
        await rewrite(replies, request)
    assert len(replies.requests) == PARSE_ROUNDS + 1


async def test_faults_are_found_though_the_window_around_is_cut_in_mid_code() -> None:
    text = "table = [\n" + "    1,\n" * 200 + "]\nx = 1\ny = {\n" + "    1: 2,\n" * 200 + "}\n"
    at = text.index("x = 1")
    selection = select(text, at, at + 5)
    request = rewrite_request(selection, "do it", document="d", language="python")
    replies = Replies("x = 1)", "x = 2")
    assert (await rewrite(replies, request, around=selection.around)).text == "x = 2"


@pytest.mark.parametrize("first", ["x = 1", "x = (1"])
async def test_where_the_first_look_is_fruitless_a_second_takes_what_it_is_less_sure_of(first: str) -> None:
    request = rewrite_request(select("x = 1\n", 0, 5), "do it", document="d", language="python")
    replies = Replies(first, first, first, "x = 2") if "(" in first else Replies(first, "x = 2")
    assert (await rewrite(replies, request, eager_threshold=0.5)).text == "x = 2"
    assert [asked.edit.threshold for asked in replies.requests if asked.edit][-2:] == [None, 0.5]
    with pytest.raises(Refusal):
        await rewrite(Replies(first), request)


async def test_code_that_did_not_parse_before_may_stay_so() -> None:
    request = rewrite_request(select("x = (1\ny = 2\n", 7, 12), "do it", document="d", language="python")
    assert (await rewrite(Replies("y = 3"), request)).n_rounds == 0


async def test_what_was_locked_stays_locked_in_later_rounds() -> None:
    request = rewrite_request(select("if a:\n  x = 1  # why\n", 8, 13), "do it", document="d", language="python")
    replies = Replies("  x = (1  # why", "  x = 2  # why")
    assert (await rewrite(replies, request)).text == "  x = 2  # why"
    assert replies.requests[1].edit and replies.requests[1].edit.locks == ((0, 2), (8, 15))

import random

import pytest

from sampler.model.layout import HOLE_STRIDE
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data.corpus import Document
from seedfill.training.data.instruct.wordings import wordings
from seedfill.training.data.samples import Mix, Sample, SampleSource, cut, damage
from seedfill.training.loop import runs

TEXT = "\n".join(
    f"def function_{i}(value, other=None):\n    result = value * {i}\n    return result\n" for i in range(60)
)
TOKENIZER = Tokenizer.load(runs.shipped_tokenizer())
SOURCE = SampleSource([Document("p", f"p/{i}.py", "python", TEXT) for i in range(3)], TOKENIZER)


def _text(sample: Sample) -> list[str]:
    return [TOKENIZER.decode(span) for span in sample.spans]


@pytest.mark.parametrize("seed", range(40))
def test_an_infill_sample_is_its_document(seed: int) -> None:
    sample = SOURCE.infill(SOURCE.documents[0], random.Random(seed))
    context = sample.context
    suffix_at, prefix_at = (
        len(context) - 1 - context[::-1].index(TOKENIZER.id(name)) for name in ("<suffix>", "<prefix>")
    )
    suffix = TOKENIZER.decode(context[suffix_at:prefix_at])
    prefix = TOKENIZER.decode(context[prefix_at:])
    assert context[-1] == TOKENIZER.id("<middle>")
    assert prefix + _text(sample)[0] + suffix in TEXT or sample.spans[0][-1] != TOKENIZER.id("<span_end>")


@pytest.mark.parametrize("seed", range(40))
def test_holes_put_back_give_the_document(seed: int) -> None:
    sample = SOURCE.holes(SOURCE.documents[0], random.Random(seed))
    if sample.anchors == [[]]:
        return
    context = sample.context[len(sample.context) - 1 - sample.context[::-1].index(TOKENIZER.id("<prefix>")) :]
    fills = {anchor[0]: TOKENIZER.decode(span) for anchor, span in zip(sample.anchors, sample.spans, strict=True)}
    filled = "".join(fills.get(token, "") or TOKENIZER.decode([token]) for token in context)
    assert filled in TEXT or any(len(span) == HOLE_STRIDE - 1 for span in sample.spans)
    assert sample.starts == [len(sample.context) + i * HOLE_STRIDE for i in range(len(fills))]
    assert all(len(span) < HOLE_STRIDE for span in sample.spans)


@pytest.mark.parametrize("seed", range(20))
def test_a_repair_sample_holds_a_damaged_copy(seed: int) -> None:
    sample = SOURCE.repair(SOURCE.documents[0], random.Random(seed))
    assert TOKENIZER.id("<instruction>") in sample.context
    assert TOKENIZER.id("<selection>") in sample.context
    assert _text(sample)[0] in TEXT


@pytest.mark.parametrize("seed", range(20))
def test_an_instruct_sample_turns_the_selection_into_the_document(seed: int) -> None:
    sample = SOURCE.instruct(SOURCE.documents[0], random.Random(seed))
    at = sample.context.index(TOKENIZER.id("<selection>"))
    assert TOKENIZER.id("<instruction>") in sample.context[:at]
    assert sample.context[-1] == TOKENIZER.id("<middle>")
    selection = TOKENIZER.decode(sample.context[at:])
    assert _text(sample)[0] in TEXT
    assert _text(sample)[0] != selection


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("asks", [{"idle": 1.0}, {"foreign": 1.0}])
def test_a_selection_stays_where_what_is_asked_for_is_done_or_not_to_be_done(asks: dict[str, float], seed: int) -> None:
    source = SampleSource(SOURCE.documents, TOKENIZER, Mix(kinds=("dead_code",), **asks))
    sample = source.instruct(SOURCE.documents[0], random.Random(seed))
    at = sample.context.index(TOKENIZER.id("<selection>"))
    assert TOKENIZER.decode(sample.context[at:]).startswith(_text(sample)[0])
    instruction = TOKENIZER.decode(sample.context[:at]).casefold()
    assert any(said in instruction for said in wordings()["dead_code"].train) == ("idle" in asks)


def test_instruct_samples_are_drawn_only_where_a_mix_asks_for_them() -> None:
    def wants(mix: Mix) -> int:
        source = SampleSource(SOURCE.documents, TOKENIZER, mix)
        drawn = (source.draw(random.Random(seed)) for seed in range(40))
        return sum(TOKENIZER.id("<selection>") in sample.context for sample in drawn)

    assert wants(Mix(repair=0.0)) == 0
    assert wants(Mix(plain=0.0, infill=0.0, holes=0.0, repair=0.0, instruct=1.0)) == 40


def test_cuts_stand_where_cursors_do() -> None:
    rng = random.Random(0)
    cuts = [cut(TEXT, rng) for _ in range(400)]
    assert all(0 <= start <= end <= len(TEXT) for start, end in cuts)
    ends_with_line = sum(end == len(TEXT) or TEXT[end] == "\n" for _, end in cuts) / len(cuts)
    several_lines = sum("\n" in TEXT[start:end] for start, end in cuts) / len(cuts)
    assert ends_with_line > 0.5
    assert 0.2 < several_lines < 0.8


def test_damage_mostly_changes_something() -> None:
    rng = random.Random(0)
    code = "value = call(argument)\nreturn value\n"
    assert sum(damage(code, rng) != code for _ in range(100)) > 80

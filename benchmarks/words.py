"""Print what token healing gains in the middle of a word: `python benchmarks/words.py FILE… [--n 100]`.

A cursor that cuts a word also cuts the tokens that a whole word would have been. A sampler can answer from there,
which training on spans that begin anywhere prepares it for; or heal, as ours does: go back to where the last token
begins and fill in from there, under the condition that what was typed comes out again. Both are scored by the model's
next-token reading of the rest of the line, in bits a character, less is better, and by whether its first choice goes
on as the line does. Give files that the model was not trained on.
"""

from __future__ import annotations

import argparse
import math
import random
import re
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.reading import bits, read
from sampler.model import layout
from sampler.model.checkpoint import LoadedModel, load
from sampler.protocol.paths import default_model_folder
from sampler.text.windows import suffix_window

BEFORE, AFTER = 800, 200
"""Characters of context: enough for a word, and quick."""


class Cursor(NamedTuple):
    """A place in a text, and the rest of its line."""

    before: str
    rest: str
    after: str


class Score(NamedTuple):
    """Of one cursor: bits of the rest of the line, and whether the first choice goes on with it."""

    bits: float
    is_first: bool


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=100, help="cursors of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=None, help="a model's folder; the shipped one by default")
    given = parser.parse_args()
    texts = [path.read_text(encoding="utf-8") for path in given.files]
    model = load(given.model or default_model_folder())
    table = Table(title=f"{given.n} cursors of each kind in {len(texts)} files, {model.id}")
    for heading in ("cursor", "from there, bits", "healed, bits", "from there, first choice", "healed, first choice"):
        table.add_column(heading, justify="left" if heading == "cursor" else "right")
    for name, pattern in (("at a word's start", r"(?<!\w)(?=\w{3})"), ("inside of a word", r"(?<=\w)(?=\w{2})")):
        cursors = draw(texts, pattern, given.n, random.Random(given.seed))
        pairs = [(plain(model, cursor), healed(model, cursor)) for cursor in cursors]
        n_characters = sum(len(cursor.rest) for cursor in cursors)
        cost = [sum(pair[i].bits for pair in pairs) / n_characters for i in (0, 1)]
        first = [sum(pair[i].is_first for pair in pairs) / len(pairs) for i in (0, 1)]
        table.add_row(name, *(f"{one:.3f}" for one in (*cost, *first)))
    Console(width=120).print(table)


def draw(texts: list[str], pattern: str, n: int, rng: random.Random) -> list[Cursor]:
    """Cursors where `pattern` matches, in texts weighted by their matches."""
    places = [(text, found.start()) for text in texts for found in re.finditer(pattern, text)]
    chosen = rng.sample(places, min(n, len(places)))
    return [_cursor(text, at) for text, at in chosen]


def plain(model: LoadedModel, cursor: Cursor) -> Score:
    """From the cursor on."""
    tokenizer = model.tokenizer
    gold = [*tokenizer.encode(cursor.rest), tokenizer.id("<span_end>")]
    log_probs = read(model, _context(model, cursor, tokenizer.encode(cursor.before)), gold)
    said = tokenizer.token_bytes[int(log_probs[0].argmax())]
    return Score(bits(log_probs, gold), bool(said) and cursor.rest.encode().startswith(said))


def healed(model: LoadedModel, cursor: Cursor) -> Score:
    """From where the last token before the cursor begins, given that its text comes again."""
    tokenizer = model.tokenizer
    *kept, last = tokenizer.encode(cursor.before)
    typed = tokenizer.token_bytes[last]
    gold = [*tokenizer.encode((typed + cursor.rest.encode()).decode(errors="replace")), tokenizer.id("<span_end>")]
    log_probs = read(model, _context(model, cursor, kept), gold)
    agrees = [text.startswith(typed) or typed.startswith(text or b"?") for text in tokenizer.token_bytes]
    given_typed = log_probs[0].masked_fill(~torch.tensor(agrees), -torch.inf)
    chosen = int(given_typed.argmax())
    if tokenizer.token_bytes[chosen] == typed and chosen == gold[0]:
        chosen = int(log_probs[1].argmax())
    said = tokenizer.token_bytes[chosen].removeprefix(typed)
    cost = bits(log_probs, gold) + float(given_typed.logsumexp(0)) / math.log(2)
    return Score(cost, bool(said) and cursor.rest.encode().startswith(said))


def _context(model: LoadedModel, cursor: Cursor, before: list[int]) -> list[int]:
    tokenizer = model.tokenizer
    head = layout.header(tokenizer, language="python", path="a.py")
    after = tokenizer.encode(suffix_window(cursor.after, AFTER))
    return layout.suffix_first(tokenizer, head, before, after).tokens


def _cursor(text: str, at: int) -> Cursor:
    end = (text + "\n").find("\n", at)
    return Cursor(text[max(at - BEFORE, 0) : at], text[at:end], text[end:])


if __name__ == "__main__":
    main()

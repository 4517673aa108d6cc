"""Learning the tokenizer: a byte-level BPE whose tokens never cross a line start or the edge of a word.

A newline together with the indentation behind it is one unit, so tokens that begin with a newline mark the line
starts and cutting a row at lines is a look at one token. Digits stand alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Bpe

from sampler.model.tokenizer import RESERVED, Tokenizer

PIECES = r"\r?\n[ \t]*| ?[\p{L}\p{M}_]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}_]+|[ \t]+|\s"
"""Newline + indentation | identifier | digit | punctuation run | blanks | any other white space."""


def untrained() -> Bpe:
    """A BPE with our pre-tokenizer and no merges."""
    bpe = Bpe(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    return bpe


def learn(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn merges from `texts`; the reserved tokens take the first ids.

    The same texts in the same order give the same tokenizer.
    """
    bpe = untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in RESERVED],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return Tokenizer(bpe)

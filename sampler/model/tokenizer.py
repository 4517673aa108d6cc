"""Text to token ids and back: a byte-level BPE with reserved tokens that no text can produce.

The reserved tokens and their ids are frozen: every trained weight depends on them.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from tokenizers import Tokenizer as Bpe

from sampler.protocol.regular_files import read_regular

MAX_BYTES = 64 << 20
NORMALISERS = frozenset({"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"})
MAX_HOLES = 8
N_SPARE = 24
RESERVED = (
    "<pad>",
    "<doc_end>",
    "<mask>",
    "<prefix>",
    "<suffix>",
    "<middle>",
    "<span_end>",
    "<snippet>",
    "<file>",
    "<language>",
    "<instruction>",
    "<selection>",
    "<delete>",
    "<expand>",
    *(f"<hole_{i}>" for i in range(MAX_HOLES)),
    *(f"<spare_{i}>" for i in range(N_SPARE)),
)


class Tokenizer:
    """A byte-level BPE. Ids 0 … len(RESERVED) - 1 are reserved and never come out of `encode`."""

    def __init__(self, bpe: Bpe) -> None:
        bpe.encode_special_tokens = True  # "<mask>" in a user's file is seven characters, not the mask
        self._bpe = bpe
        self.vocab_size: int = bpe.get_vocab_size()

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read tokenizer.json; raises FileNotFoundError, or ValueError with one sentence when it is damaged."""
        data = read_regular(path, MAX_BYTES + 1, follow=True)
        if data is None:
            raise FileNotFoundError(f"There is no tokenizer at {path}.")
        try:
            _check(data)
            return cls(Bpe.from_str(data.decode("utf-8")))
        except (Exception, RecursionError) as error:  # the Rust library raises bare Exception
            raise ValueError(f"{path} is not a tokenizer: {error}") from None

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`. A lone surrogate, which no encoding of text can carry, is read as U+FFFD."""
        return list(self._bpe.encode(_scalars(text), add_special_tokens=False).ids)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """`encode` of several texts, on all cores."""
        encodings = self._bpe.encode_batch_fast([_scalars(text) for text in texts], add_special_tokens=False)
        return [list(encoding.ids) for encoding in encodings]

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`, reserved tokens left out, up to the first byte that is part of no whole character.

        A token can be a part of a character: until the others have come, there is nothing to show of it.
        """
        written = self.bytes_of(ids)
        try:
            return written.decode()
        except UnicodeDecodeError as error:
            return written[: error.start].decode()

    def is_whole(self, ids: list[int]) -> bool:
        """Whether the tokens end with a whole character, and hold no broken one."""
        try:
            self.bytes_of(ids).decode()
        except UnicodeDecodeError:
            return False
        return True

    def decode_escaped(self, ids: list[int]) -> str:
        """The text of `ids`, reserved tokens left out; bytes that are no character become lone surrogates (PEP 383)."""
        return self.bytes_of(ids).decode("utf-8", "surrogateescape")

    def bytes_of(self, ids: list[int]) -> bytes:
        """What the tokens write."""
        return b"".join(self.token_bytes[i] for i in ids)

    def id(self, reserved: str) -> int:
        """The id of a reserved token, by its name with brackets; raises KeyError for any other name."""
        found = self._bpe.token_to_id(reserved)
        if found is None:
            raise KeyError(reserved)
        return int(found)

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes each token stands for, by id; none for reserved tokens."""
        added = self._bpe.get_added_tokens_decoder()
        texts = [self._bpe.id_to_token(i) or "" for i in range(self.vocab_size)]
        return [b"" if i in added else bytes(_BYTE_OF[c] for c in text) for i, text in enumerate(texts)]

    def starting_with(self, begins: bytes) -> list[int]:
        """The tokens whose text begins with these bytes, which are some."""
        texts = self._by_text
        following = (texts[i] for i in range(bisect_left(texts, (begins, 0)), len(texts)))
        return [token for _, token in takewhile(lambda entry: entry[0].startswith(begins), following)]

    @cached_property
    def _by_text(self) -> list[tuple[bytes, int]]:
        """All tokens by their bytes: each keystroke asks which of them begin alike."""
        return sorted((text, token) for token, text in enumerate(self.token_bytes))

    @cached_property
    def newline_ids(self) -> frozenset[int]:
        """Tokens that write a line break, alone or among other characters."""
        return frozenset(i for i, text in enumerate(self.token_bytes) if b"\n" in text)

    def save(self, path: Path) -> None:
        """Write tokenizer.json."""
        self._bpe.save(str(path))


def _check(data: bytes) -> None:
    """Raise ValueError for what may turn a letter into a book: some normalisers write whatever they like."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MB")
    normaliser = json.loads(data).get("normalizer") or {}
    steps = normaliser.get("normalizers", []) if normaliser.get("type") == "Sequence" else [normaliser]
    for step in steps:
        if step and step.get("type") not in NORMALISERS:
            raise ValueError(f"its normalizer {step.get('type')!r} is not one that only spells letters otherwise")


def _scalars(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _byte_alphabet() -> dict[str, int]:
    """The printable stand-ins that byte-level BPE uses for the 256 bytes (as GPT-2 defined them)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTE_OF = _byte_alphabet()

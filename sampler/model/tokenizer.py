"""Text to token ids and back: a byte-level BPE with reserved tokens that no text can produce.

The reserved tokens and their ids are frozen: every trained weight depends on them.
"""

from __future__ import annotations

import json
import reprlib
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Bpe

from sampler.model.split_patterns import is_quick
from sampler.protocol.regular_files import read_regular

MAX_BYTES = 48 << 20
MAX_VOCABULARY = 1 << 20
UNUSED = ("padding", "truncation", "post_processor")
"""What a file says of rows and lengths is not for us: the tokens of a text are those that it is made of."""
SPLITS = ("ByteLevel", "Digits", "Split")
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
            with _no_panic():
                return cls(_built(data))
        except Exception as error:  # the Rust library raises bare Exception
            raise ValueError(f"{path} is not a tokenizer: {error}") from None

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`. A lone surrogate, which no encoding of text can carry, is read as U+FFFD."""
        with _no_panic():
            return list(self._bpe.encode(_scalars(text), add_special_tokens=False).ids)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """`encode` of several texts, on all cores."""
        with _no_panic():
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


@contextmanager
def _no_panic() -> Iterator[None]:
    """A panic of the Rust library is no Exception, and would end whoever meets it: here it is a ValueError."""
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"the tokenizer gave up: {error}") from None


def _built(data: bytes) -> Bpe:
    """The byte-level BPE of a tokenizer.json, as far as it says how letters become tokens.

    Raises ValueError for another kind, and for what may turn a letter into a book or a line into an hour.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MB")
    said = json.loads(data)
    _check_normaliser(said.get("normalizer"))
    _check_splits(said.get("pre_tokenizer"))
    model = said["model"]
    if model.get("type", "BPE") != "BPE":
        raise ValueError(f"its model {reprlib.repr(model['type'])} is not BPE")
    if any(said.get(key) for key in UNUSED) or model.get("dropout"):
        said |= {**dict.fromkeys(UNUSED), "model": model | {"dropout": None}}
        data = json.dumps(said).encode()
    return _whole(Bpe.from_str(data.decode("utf-8")))


def _whole(bpe: Bpe) -> Bpe:
    """`bpe`, whose ids count from 0 to the last and whose tokens write bytes; raises ValueError."""
    ids, added = bpe.get_vocab(with_added_tokens=True), bpe.get_added_tokens_decoder()
    if not 0 < len(ids) <= MAX_VOCABULARY or max(ids.values()) >= len(ids):
        raise ValueError(f"it has {len(ids):,} tokens with ids up to {max(ids.values(), default=0):,}")
    odd = next((text for text, i in ids.items() if i not in added and not _BYTE_OF.keys() >= set(text)), None)
    if odd is not None:
        raise ValueError(f"its token {reprlib.repr(odd)} stands for no bytes")
    return bpe


def _check_normaliser(normaliser: Any) -> None:
    for step in _steps(normaliser, "normalizers"):
        if step.get("type") not in NORMALISERS:
            said = reprlib.repr(step.get("type"))
            raise ValueError(f"its normalizer {said} is not one that only spells letters otherwise")


def _check_splits(pre_tokenizer: Any) -> None:
    for step in _steps(pre_tokenizer, "pretokenizers"):
        if step.get("type") not in SPLITS:
            raise ValueError(f"its pre-tokenizer {reprlib.repr(step.get('type'))} is not one of {', '.join(SPLITS)}")
        pattern = step.get("pattern", {}).get("Regex", "")
        if not is_quick(pattern):
            raise ValueError(f"its pattern {reprlib.repr(pattern)} may take for ever")


def _steps(said: Any, parts: str) -> list[dict[str, Any]]:
    """The steps that a part of the pipeline consists of."""
    if not said:
        return []
    return list(said[parts]) if said.get("type") == "Sequence" else [said]


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

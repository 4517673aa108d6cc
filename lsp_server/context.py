"""From a document and a cursor to a request: what the model gets to see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from lsp_server.documents import Snapshot
from lsp_server.settings import Settings
from sampler.messages import InfillRequest
from sampler.windows import prefix_window, suffix_window


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What stands around a cursor, as the model and the text filters see it: lines end at "\\n"."""

    before: str
    after: str

    @property
    def line_before(self) -> str:
        """The part of the cursor's line before it."""
        return self.before[self.before.rfind("\n") + 1 :]

    @property
    def line_after(self) -> str:
        """The part of the cursor's line after it."""
        return self.after.partition("\n")[0]

    @property
    def inside_line(self) -> bool:
        """Whether something other than blanks follows on the cursor's line."""
        return bool(self.line_after.strip())


def place_at(text: str, offset: int) -> Place:
    """The windows before and after `offset`."""
    return Place(
        before=_presentable(prefix_window(unix_lines(text[:offset]))),
        after=_presentable(suffix_window(unix_lines(text[offset:]))),
    )


def infill_request(snapshot: Snapshot, place: Place, settings: Settings, *, client: str, path: str) -> InfillRequest:
    """The request for what belongs at `place`; `client` tells this server's documents from another's."""
    completion = settings.completion
    return InfillRequest(
        document=f"{client} {snapshot.uri}",
        pieces=(place.before, place.after),
        language=snapshot.language,
        path=path,
        max_tokens=completion.max_tokens,
        one_line=place.inside_line,
        deadline_ms=completion.deadline_ms or None,
        model=settings.sampler.model,
    )


def path_in_workspace(path: PurePath, folders: Iterable[PurePath]) -> str:
    """`path` from the innermost of `folders` that holds it, else its name; always with forward slashes."""
    inside = [path.relative_to(folder) for folder in folders if path.is_relative_to(folder)]
    return min(inside, key=lambda relative: len(relative.parts), default=PurePath(path.name)).as_posix()


def unix_lines(text: str) -> str:
    """`text` with "\\n" for every "\\r\\n"."""
    return text.replace("\r\n", "\n")


def _presentable(text: str) -> str:
    """`text` with U+FFFD for every lone surrogate: UTF-8 has no form for those."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not _is_utf8(text) else text


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

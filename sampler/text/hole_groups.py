"""Holes of a document that are filled together: which, and what the model sees of the document around them."""

from __future__ import annotations

from collections.abc import Sequence

from sampler.text.windows import PREFIX_CHARACTERS, SUFFIX_CHARACTERS, prefix_window, suffix_window

GROUP_HOLES = 4
"""Holes filled at once: the layout names more, but models are trained with two to four in a group."""

GROUP_CHARACTERS = PREFIX_CHARACTERS // 2
"""Text between the first and the last hole of one group; it is taken from the budget of the prefix window."""


def hole_groups(pieces: Sequence[str]) -> list[range]:
    """The holes between `pieces`, in runs of at most GROUP_HOLES with at most GROUP_CHARACTERS between their ends."""
    groups: list[range] = []
    start, n_holes = 0, len(pieces) - 1
    while start < n_holes:
        stop = start + 1
        while stop < min(n_holes, start + GROUP_HOLES) and _inner_length(pieces, start, stop + 1) <= GROUP_CHARACTERS:
            stop += 1
        groups.append(range(start, stop))
        start = stop
    return groups


def group_pieces(filled: str, pieces: Sequence[str], group: range) -> tuple[str, ...]:
    """A request's pieces for one group, `filled` being all before it; lines end at "\\n".

    Holes of later groups are left out of the suffix: the model has never seen a marker.
    """
    inner = pieces[group.start + 1 : group.stop]
    prefix = prefix_window(filled, PREFIX_CHARACTERS - sum(map(len, inner)))
    return (prefix, *inner, suffix_window("".join(pieces[group.stop :]), SUFFIX_CHARACTERS))


def _inner_length(pieces: Sequence[str], start: int, stop: int) -> int:
    return sum(map(len, pieces[start + 1 : stop]))

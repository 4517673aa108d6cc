"""Excess code: of the lines that an edit wrote, the share that the task's tests never run (after CanItEdit)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from types import CodeType

from seedfill.evaluation.execution import DEFAULT_LIMITS, REPORT, Limits, run_reporting

_TRACED = """\
import json, sys
seen = set()
def trace(frame, event, argument):
    if frame.f_code.co_filename != "<edited>":
        return None
    seen.add(frame.f_lineno)
    return trace
sys.settrace(trace)
exec(compile({program!r}, "<edited>", "exec"), {{"__name__": "__main__"}})
sys.settrace(None)
with open({report!r}, "w") as file:
    json.dump(sorted(seen), file)
"""


def excess_share(before: str, after: str, program: str, limits: Limits = DEFAULT_LIMITS) -> float | None:
    """The share of written lines that running `program`, which begins with `after`, leaves out.

    None where the edit wrote nothing that runs, or the program does not pass while it is watched.
    """
    written = written_lines(before, after) & set(_running_lines(after))
    if not written:
        return None
    outcome, report = run_reporting(_TRACED.format(program=program, report=REPORT), limits)
    if outcome != "passed":
        return None
    return len(written - set(json.loads(report))) / len(written)


def written_lines(before: str, after: str) -> set[int]:
    """Numbers, from 1, of the lines of `after` that are new or changed."""
    matcher = SequenceMatcher(None, before.split("\n"), after.split("\n"), autojunk=False)
    return {j + 1 for tag, _, _, j1, j2 in matcher.get_opcodes() if tag != "equal" for j in range(j1, j2)}


def _running_lines(text: str) -> Iterator[int]:
    """Numbers of the lines that code was made for."""
    codes: list[CodeType] = [compile(text, "<edited>", "exec", dont_inherit=True)]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        yield from (line for _, _, line in code.co_lines() if line)

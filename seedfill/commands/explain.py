"""`seedfill explain`: what became of an editor's last request."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from seedfill.commands.output import JsonOption, print_json, stdout_console
from seedfill.errors import Refused

_SOURCES = {
    "sampler": "asked of the sampler now",
    "memory": "from the cache: typed through, or asked for before",
    "prepared": "prepared while the suggestion before it was on screen",
}


def explain(as_json: JsonOption = False) -> None:
    """Say what became of the last request of any editor window: what was asked, what came back, what was done to it.

    Nothing appeared where you expected a suggestion? This has the reason.

    Example: seedfill explain
    """
    from lsp_server.completion.journal import last_record
    from sampler.protocol.paths import state_folder

    record = last_record(state_folder())
    if record is None:
        raise Refused("No editor has asked for a suggestion yet, so there is nothing to explain.")
    if as_json:
        print_json(record)
    else:
        _show(record)


def _show(record: dict[str, Any]) -> None:
    when = datetime.fromtimestamp(record["time"]).strftime("%Y-%m-%d %H:%M:%S")
    how = "by hand" if record["invoked"] else "unasked"
    rows = {
        "request": f"{when}, {record['document']}:{record['line']}:{record['column']}, {record['language']}, {how}",
        "outcome": f"{record['outcome']}. {record['reason']}".rstrip(". ") + ".",
        "source": _SOURCES.get(record["source"], ""),
        "asked": _asked(record["asked"]),
        "answer": _answer(record["answer"]),
        "shown": ", ".join(map(repr, record["texts"])),
        "certainty": _certainty(record),
        "time": ", ".join(f"{name} {ms:.1f} ms" for name, ms in record["ms"].items()),
    }
    for name, value in rows.items():
        if value:
            _row(name, value)
    for number, candidate in enumerate((record["answer"] or {"candidates": []})["candidates"], start=1):
        _show_candidate(f"candidate {number}", candidate)


def _certainty(record: dict[str, Any]) -> str:
    if record["certainty"] is None:
        return ""
    floor = f"(floor {record['confidence_floor']:.2f})"
    return f"{record['certainty']:.2f} that all of the part worth showing is right {floor}"


def _asked(asked: dict[str, Any] | None) -> str:
    if asked is None:
        return ""
    seen = f"{len(asked['before'])} characters before the cursor, {len(asked['after'])} after it"
    snippets = f", snippets of {', '.join(asked['snippets'])}" if asked["snippets"] else ""
    line = ", one line" if asked["one_line"] else ""
    return f"{seen}{snippets}; at most {asked['max_tokens']} tokens{line}, within {asked['deadline_ms']} ms"


def _answer(answer: dict[str, Any] | None) -> str:
    if answer is None:
        return ""
    computed = f"{answer['tokens_computed']} tokens of context computed (cache: {answer['cache_miss']})"
    return f"{answer['model']} on {answer['device']}, {computed}"


def _show_candidate(name: str, candidate: dict[str, Any]) -> None:
    confidence = f"mean confidence {candidate['confidence']:.2f}"
    counts = f"{candidate['tokens']} tokens in {candidate['forwards']} forwards"
    _row(name, f"{confidence}, {counts}, finish {candidate['finish']}")
    _row("written", repr(candidate["written"]))
    for step in candidate["filters"]:
        _row(step["filter"], f"{step['reason']}: {step['after'] or ''!r}")
    _row("left", repr(candidate["shown"]) if candidate["shown"] else candidate["reason"])


def _row(name: str, value: str) -> None:
    console = stdout_console()
    console.print(f"[bold]{name:>20}[/]  ", end="")
    console.print(value, markup=False)

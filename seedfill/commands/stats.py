"""`seedfill stats`: what was counted of suggestions on this machine."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from seedfill.commands.output import JsonOption, print_json, stdout_console


def stats(as_json: JsonOption = False) -> None:
    """Show how many suggestions were shown, accepted and still there after 30 seconds, and how long they took.

    Counted in the state folder of this machine and sent nowhere.

    Example: seedfill stats
    """
    from lsp_server.completion.statistics import summary
    from sampler.protocol.paths import state_folder

    figures = summary(state_folder())
    if as_json:
        print_json(figures)
    else:
        _show(figures)


def _show(figures: dict[str, Any]) -> None:
    from rich.table import Table

    since = figures["since"]
    table = Table("figure", "value", title=f"since {datetime.fromtimestamp(since):%Y-%m-%d %H:%M}" if since else None)
    table.add_row("shown", str(figures["shown"]))
    table.add_row("accepted", f"{figures['accepted']} ({_percent(figures['acceptance_rate'])})")
    table.add_row("characters accepted", str(figures["accepted_chars"]))
    table.add_row("retained after 30 s", f"{figures['retained']} ({_percent(figures['retained_rate'])})")
    table.add_row("characters retained", _percent(figures["retained_chars_rate"]))
    table.add_row("time to suggestion, p50", _ms(figures["ms_p50"]))
    table.add_row("time to suggestion, p95", _ms(figures["ms_p95"]))
    for language, counts in figures["languages"].items():
        table.add_row(language, f"{counts['shown']} shown, {counts['accepted']} accepted")
    stdout_console().print(table)


def _percent(rate: float | None) -> str:
    return "not measured" if rate is None else f"{rate:.0%}"


def _ms(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0f} ms"

"""Commands that a client can run."""

from __future__ import annotations

import asyncio
from typing import Any

from pygls.exceptions import JsonRpcInvalidParams

from lsp_server.completion.record import Json
from lsp_server.completion.statistics import summary
from lsp_server.session import Server

RESTART = "seedfill.restartService"
ENABLE = "seedfill.enableSuggestions"
DISABLE = "seedfill.disableSuggestions"
SNOOZE = "seedfill.snoozeSuggestions"
EXPLAIN = "seedfill.explain"
STATISTICS = "seedfill.statistics"
ACCEPTED = "seedfill.accepted"
"""Run by clients themselves after they have inserted a suggestion."""

SNOOZE_MINUTES = 10
MAX_SNOOZE_MINUTES = 24 * 60


def register(server: Server) -> None:
    """Advertise the commands and run them."""
    for name, command in (
        (RESTART, restart_service),
        (ENABLE, enable),
        (DISABLE, disable),
        (SNOOZE, snooze),
        (EXPLAIN, explain),
        (STATISTICS, statistics),
        (ACCEPTED, accepted),
    ):
        server.command(name)(command)


async def restart_service(ls: Server) -> None:
    """End the sampler service; the next suggestion starts a new one. What other windows wait for is lost."""
    await ls.suggestions.cancel_all()
    await ls.sampler.restart()


def enable(ls: Server, *language: Any) -> None:
    """Suggestions come unasked from now on, in all languages or in one, and a snooze ends."""
    _turn(ls, True, language)


def disable(ls: Server, *language: Any) -> None:
    """No suggestions unasked from now on, in all languages or in one."""
    _turn(ls, False, language)


def snooze(ls: Server, *arguments: Any) -> None:
    """No suggestions unasked for so many minutes."""
    minutes = arguments[0] if arguments else SNOOZE_MINUTES
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 < minutes <= MAX_SNOOZE_MINUTES:
        raise JsonRpcInvalidParams(f"{SNOOZE} takes minutes, above 0 and at most {MAX_SNOOZE_MINUTES}: {minutes!r}.")
    ls.switches = ls.switches.snoozed(ls.clock.now() + minutes * 60)
    ls.report_off(f"Suggestions are snoozed for {minutes:g} min.")
    _after(ls, minutes * 60)


def explain(ls: Server) -> Json | None:
    """What became of this window's last request, as `seedfill explain --json` prints it."""
    return ls.journal.last.to_json() if ls.journal.last else None


async def statistics(ls: Server) -> Json | None:
    """What was counted on this machine, as `seedfill stats --json` prints it."""
    return None if ls.folder is None else await asyncio.to_thread(summary, ls.folder)


def accepted(ls: Server, *arguments: Any) -> None:
    """The client has inserted a text: of which answer, and which of its texts."""
    match arguments:
        case (str(inference), int(number)):
            ls.feedback.accepted(inference, number, ls.documents)
        case _:
            raise JsonRpcInvalidParams(f"{ACCEPTED} takes an answer's id and the number of a text.")


def _turn(ls: Server, on: bool, arguments: tuple[Any, ...]) -> None:
    if arguments and not (len(arguments) == 1 and isinstance(arguments[0], str)):
        raise JsonRpcInvalidParams(f"One language can be named, as a string, not {arguments!r}.")
    language = next(iter(arguments), None)
    ls.switches = ls.switches.turned(on, language)
    ls.report_off("Suggestions are switched off." if language is None and not on else None)


def _after(ls: Server, seconds: float) -> None:
    """Tell the client when a snooze is over; another one may have begun since."""

    async def wait() -> None:
        await ls.clock.sleep(seconds)
        until = ls.switches.snoozed_until
        if until is None or ls.clock.now() >= until:
            ls.report_off(None)

    ls.in_background(wait())

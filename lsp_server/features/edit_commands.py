"""The commands that edit a document: each makes a plan and has the client apply it, or says why not."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, TypeAlias

from pygls.exceptions import JsonRpcInvalidParams

from lsp_server.features.editing import Plan, Say, apply, with_progress
from lsp_server.features.fill_holes import FILL_HOLES, plan_holes
from lsp_server.features.next_edit import NEXT_EDIT, plan_next
from lsp_server.features.repair import MARK_DOUBTS, REPAIR, REPLACE_DOUBT, mark_doubts, plan_repair, plan_replacement
from lsp_server.features.rewrite import REWRITE, plan_rewrite
from lsp_server.session import Server
from sampler.text.rewriting import Refusal

Planner: TypeAlias = Callable[Concatenate[Server, Say, ...], Awaitable[Plan]]

PLANNERS: dict[str, tuple[str, Planner]] = {
    REWRITE: ("Rewriting", plan_rewrite),
    FILL_HOLES: ("Filling holes", plan_holes),
    NEXT_EDIT: ("Repeating", plan_next),
    REPAIR: ("Repairing", plan_repair),
    REPLACE_DOUBT: ("Replacing", plan_replacement),
}
"""By command: what its progress bar says, and what makes the plan of its arguments."""


def register(server: Server) -> None:
    """Advertise the commands and run them."""
    for name in PLANNERS:
        server.command(name)(_command(name))
    server.command(MARK_DOUBTS)(mark_doubts)


async def plan(ls: Server, name: str, arguments: list[Any]) -> Plan:
    """The plan of a command under a progress bar; raises Refusal, or JsonRpcInvalidParams for too many arguments."""
    title, planner = PLANNERS[name]
    try:
        inspect.signature(planner).bind(ls, None, *arguments)
    except TypeError as error:
        raise JsonRpcInvalidParams(f"{name}: {error}.") from None

    async def work(say: Say) -> Plan:
        return await planner(ls, say, *arguments)

    return await with_progress(ls, title, work)


async def run(ls: Server, name: str, arguments: list[Any]) -> dict[str, Any]:
    """Make the edit; what the client is answered. A refusal is shown to the person as well."""
    try:
        await apply(ls, await plan(ls, name, arguments))
    except Refusal as refusal:
        ls.tell(str(refusal))
        return {"applied": False, "reason": str(refusal)}
    return {"applied": True}


def _command(name: str) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def command(ls: Server, *arguments: Any) -> dict[str, Any]:
        return await run(ls, name, list(arguments))

    return command

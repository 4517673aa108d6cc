"""Commands that a client can run."""

from __future__ import annotations

from lsp_server.protocol import Server

RESTART = "seedfill.restartService"


def register(server: Server) -> None:
    """Advertise the commands and run them."""
    server.command(RESTART)(restart_service)


async def restart_service(ls: Server) -> None:
    """End the sampler service; the next suggestion starts a new one. What other windows wait for is lost."""
    await ls.suggestions.cancel_all()
    await ls.sampler.restart()

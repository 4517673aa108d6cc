"""`seedfill lsp | serve | stop`: the two processes, started and stopped by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from lsp_server.workspace.settings import LogLevel, SamplerMode
from seedfill.errors import BadInput, CommandError, Refused


def lsp(
    stdio: Annotated[bool, typer.Option("--stdio", help="What clients add; there is no other transport.")] = True,
    sampler: Annotated[
        SamplerMode | None, typer.Option(help="One sampler for all windows, or a private one; wins over the client.")
    ] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="How much goes to the log.")] = None,
) -> None:
    """Run the language server for one editor window.

    Editors start this themselves; it never loads a model, but asks the sampler that all windows share.

    Example: seedfill lsp --stdio
    """
    from lsp_server.server import run

    raise typer.Exit(run(sampler=sampler, log_level=log_level))


def serve(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    memory_budget: Annotated[str, typer.Option(help="For models, as in 800M or 6G; by default what is free.")] = "",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default by the machine.")] = None,
    idle_release_s: Annotated[float, typer.Option(min=0, help="Free the models' memory after so long.")] = 600.0,
    idle_exit_s: Annotated[float, typer.Option(min=0, help="Leave after so long.")] = 3600.0,
    openai: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="Also speak OpenAI's dialect at this loopback port; 0: any free one."
        ),
    ] = None,
) -> None:
    """Run the sampler service in the foreground.

    Rarely needed by hand: fill, lsp and the editors start one when none runs.

    With --openai, programs on this machine that have the token (it is said where it lies) get completions at
    http://127.0.0.1:PORT/v1.

    Example: seedfill serve --device cpu --idle-exit-s 600

    Example: seedfill serve --openai 8765 --idle-exit-s inf
    """
    from argparse import ArgumentTypeError

    from sampler.service.process import main, parse_size

    _check_device(device)
    try:
        parse_size(memory_budget or "1")
    except ArgumentTypeError as error:
        raise BadInput(f"--memory-budget: {error}, not {memory_budget!r}.") from None
    arguments = [f"--device={device}", f"--idle-release-s={idle_release_s}", f"--idle-exit-s={idle_exit_s}"]
    arguments += [f"--memory-budget={memory_budget}"] if memory_budget else []
    arguments += [f"--threads={threads}"] if threads else []
    arguments += [f"--openai={openai}"] if openai is not None else []
    raise typer.Exit(main(arguments))


def _check_device(device: str) -> None:
    """Raise BadInput where there is no such device; torch is not asked for what is always there."""
    if device in ("auto", "cpu"):
        return
    from sampler.model.devices import DEVICES, NoDevice, pick_device, wait_passively

    if device.partition(":")[0] not in DEVICES:
        raise BadInput(f"There is no device {device!r}: choose one of {', '.join(DEVICES)}.")

    wait_passively()
    try:
        pick_device(device)
    except NoDevice as error:
        raise BadInput(str(error)) from None


def stop() -> None:
    """Stop the sampler service that runs for this user.

    Example: seedfill stop
    """
    from sampler.protocol.client import SamplerError, stop_service

    try:
        stopped = stop_service()
    except SamplerError as error:
        raise CommandError(str(error)) from None
    if not stopped:
        raise Refused("No sampler service runs, so there is nothing to stop.")
    print("The sampler service has stopped.")

"""The command line: names the commands, mounts them, and turns every way to end into an exit code.

Composes, holds no logic. Nothing heavy is imported here or by the modules imported here: torch, pygls and httpcore
are loaded by the commands that need them, when they run.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sampler.protocol.messages import BadMessage
from sampler.protocol.paths import PathError
from seedfill.commands.calibrate import calibration
from seedfill.commands.doctor import doctor
from seedfill.commands.edit import edit
from seedfill.commands.edit_measures import edit_floor, presets
from seedfill.commands.evaluate import app as eval_app
from seedfill.commands.explain import explain
from seedfill.commands.fill import fill
from seedfill.commands.models import app as models_app
from seedfill.commands.output import complain
from seedfill.commands.service import lsp, serve, stop
from seedfill.commands.stats import stats
from seedfill.errors import BadInput, CommandError

app = typer.Typer(
    name="seedfill",
    help="Completions and edits from a diffusion language model for code, in the shell and in editors.",
    epilog="Example: seedfill fill examples/inventory.py --at 32:20",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


_TYPER_INTERRUPTED = 130
"""What typer makes of Ctrl-C."""


class TrainGroup(TyperGroup):
    """The commands of `seedfill.commands.train.command`, imported when one is named and not before."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return _training().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        return _training().get_command(ctx, cmd_name)


def _training() -> TyperGroup:
    from typer.main import get_group

    from seedfill.commands.train.command import app as training_app

    return get_group(training_app)


app.command()(fill)
app.command()(edit)
app.command()(lsp)
app.command()(serve)
app.command()(stop)
app.add_typer(
    typer.Typer(cls=TrainGroup, no_args_is_help=True),
    name="train",
    help="Build the corpus and train models by recipe.",
    epilog="Example: seedfill train recipes",
)
eval_app.command()(calibration)
eval_app.command()(presets)
eval_app.command()(edit_floor)
app.add_typer(eval_app, name="eval")
app.add_typer(models_app, name="models")
app.command()(explain)
app.command()(stats)
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"seedfill {package_version()}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Completions and edits from a diffusion language model for code, in the shell and in editors."""


def package_version() -> str:
    """The installed version; "unknown" in a source tree that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("seedfill")
    except PackageNotFoundError:
        return "unknown"


def run(args: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code. Anything but 0 has put one sentence on stderr.

    0 done · 1 failed while working · 2 bad input or usage · 3 refused, or nothing to change.
    """
    try:
        code = app(args=args, standalone_mode=False) or 0
        if code != _TYPER_INTERRUPTED:
            return code
        complain("Interrupted.")
    except CommandError as error:
        complain(str(error))
        return error.exit_code
    except typer.TyperException as error:
        complain(_usage_error(error.format_message()))
        return error.exit_code
    except (PathError, BadMessage) as error:  # no folder to work in, or an option that no request may have
        complain(str(error))
        return BadInput.exit_code if isinstance(error, BadMessage) else 1
    except BrokenPipeError:  # the reader has left, as `| head` does; later flushes must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        complain("The program that reads the output has closed it.")
    except (KeyboardInterrupt, typer.Abort):  # before typer takes over, or at a prompt
        complain("Interrupted.")
    except OSError as error:
        complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
    except Exception as error:
        if os.environ.get("SEEDFILL_TRACEBACK"):
            traceback.print_exc()
        complain(f"An error inside seedfill, {type(error).__name__}: {error} (SEEDFILL_TRACEBACK=1 shows where).")
    return 1


def _usage_error(message: str) -> str:
    """One sentence of what is wrong with a command line, which says in brackets what was meant and where to look."""
    what, *meant = re.split(r"\.? (?=Did you mean |\(Possible options)", message.rstrip("."), maxsplit=1)
    hints = [*(hint.strip("()").replace("Did", "did").replace("Possible", "possible") for hint in meant), "see --help"]
    return f"{what or 'Name a command'} ({'; '.join(hints)})."


def main() -> None:
    """The console script `seedfill`."""
    sys.exit(run())


if __name__ == "__main__":
    main()

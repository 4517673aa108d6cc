"""The command `seedfill`, and `python -m seedfill`. An editor that starts its server need not wait for the others."""

import gc
import sys

AS_EDITORS_START_IT = (["lsp"], ["lsp", "--stdio"])


def main() -> None:
    """Serve an editor at once; anything else is for the command line to read."""
    if sys.argv[1:] in AS_EDITORS_START_IT:
        gc.disable()  # hundreds of classes of the protocol are made now, and stay
        from lsp_server.server import run

        gc.freeze()
        gc.enable()
        sys.exit(run())
    from seedfill.cli import main

    main()


if __name__ == "__main__":
    main()

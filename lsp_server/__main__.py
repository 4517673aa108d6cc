"""`python -P -m lsp_server`: the language server over standard input and output, as `seedfill lsp` starts it.

Without -P Python would import from the working folder, which is a project that somebody edits.
"""

from __future__ import annotations

import argparse
import sys
from typing import get_args

from lsp_server.server import run
from lsp_server.workspace.settings import LogLevel, SamplerMode


def main() -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser("lsp_server", description="Serve one editor over standard input and output.")
    parser.add_argument("--stdio", action="store_true", help="what clients add; there is no other transport")
    parser.add_argument("--sampler", choices=get_args(SamplerMode), help="one service for all windows, or its own")
    parser.add_argument("--log-level", choices=get_args(LogLevel), help="default: info")
    given = parser.parse_args()
    return run(sampler=given.sampler, log_level=given.log_level)


if __name__ == "__main__":
    sys.exit(main())

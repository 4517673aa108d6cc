"""`python -m seedfill` is the command `seedfill`."""

from seedfill.cli import main

main()

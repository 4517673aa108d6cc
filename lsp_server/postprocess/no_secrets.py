"""A key that a model writes is made up, or somebody's."""

from __future__ import annotations

import re

from lsp_server.context.query import Place

_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[0-9A-Za-z]{30,}"
    r"|\bsk-[0-9A-Za-z_-]{20,}"
    r"|\bxox[abpr]-[0-9A-Za-z-]{10,}"
    r"|\bAIza[0-9A-Za-z_-]{30,}"
    r"|\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}"
    r"|://[^/\s:@]+:[^/\s:@{}$<]+@"
)


def no_secrets(text: str, place: Place) -> str:
    """Nothing, where `text` together with its line holds a key, a token or an address with a password in it."""
    return "" if _SECRET.search(place.line_before + text) else text

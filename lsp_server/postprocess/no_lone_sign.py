"""What a single key types is not worth a suggestion, least of all a sign that editors put in by themselves."""

from __future__ import annotations

from lsp_server.context.query import Place

_SIGNS = frozenset(")]}:;,\"'`.")


def no_lone_sign(text: str, place: Place) -> str:
    """Nothing, where `text` is one closing sign."""
    return "" if text.strip() in _SIGNS else text

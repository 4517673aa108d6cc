"""The chat template of an instruct checkpoint, as the fixed text around what a person asks and what the model answers.

A template is a Jinja program. It is run once, when a model is loaded, in Jinja's sandbox: it can compute text and
nothing else.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

_log = logging.getLogger(__name__)

_ASKED, _ANSWERED = "\ue000asked\ue000", "\ue000answered\ue000"
"""Stand for the two messages while the template is run: private characters, which no template treats specially."""


class ChatFrame(NamedTuple):
    """What a template writes around a question and its answer; special tokens stand in it by their names."""

    before: str
    between: str
    after: str


def chat_frame(settings: dict[str, Any]) -> ChatFrame | None:
    """The frame of a checkpoint with this tokenizer_config.json; None without a template that can be used."""
    template = _default(settings.get("chat_template"))
    if template is None:
        return None
    names = {name: _content(settings.get(name)) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    try:
        text = _rendered(template, names)
    except Exception as error:  # a template may do anything wrong that a program may
        _log.warning("the chat template cannot be used: %s", error)
        return None
    before, asked, rest = text.partition(_ASKED)
    between, answered, after = rest.partition(_ANSWERED)
    if not (asked and answered) or _ASKED in rest or _ANSWERED in before + after:
        _log.warning("the chat template does not write a question and its answer once each, in that order")
        return None
    return ChatFrame(before, between, after)


def _default(templates: Any) -> str | None:
    """A checkpoint may have several, by name."""
    if isinstance(templates, list):
        named = {one.get("name"): one.get("template") for one in templates if isinstance(one, dict)}
        templates = named.get("default")
    return templates if isinstance(templates, str) and templates.strip() else None


def _content(token: Any) -> str:
    """A special token, which tokenizer_config.json gives as text or as an object."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")


def _rendered(template: str, names: dict[str, str]) -> str:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _refuse
    messages = [{"role": "user", "content": _ASKED}, {"role": "assistant", "content": _ANSWERED}]
    return environment.from_string(template).render(messages=messages, add_generation_prompt=False, **names)


def _refuse(message: str) -> None:
    raise ValueError(message)

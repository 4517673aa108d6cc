"""The chat template of an instruct checkpoint, as the fixed text around what a person asks and what the model answers.

A template is a Jinja program. It is run once, when a model is loaded, in a process of its own (`render_template.py`).
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from sampler.protocol.sentences import one_line

TIMEOUT_S = 10.0
MAX_BYTES = 64 << 10
"""Of a rendered template."""

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
        _log.warning("the chat template cannot be used: %s", one_line(str(error)))
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
    """The text of a conversation of two messages, rendered by a process that cannot take much time or memory."""
    messages = [{"role": "user", "content": _ASKED}, {"role": "assistant", "content": _ANSWERED}]
    asked = json.dumps({"template": template, "messages": messages, "names": names})
    command = [sys.executable, "-I", str(Path(__file__).with_name("render_template.py"))]
    done = subprocess.run(command, input=asked.encode(), capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ValueError(last or f"it was ended by signal {-done.returncode}")
    if len(done.stdout) > MAX_BYTES:
        raise ValueError("it writes too much")
    return done.stdout.decode()

"""Run a chat template, as a program of its own: `python -I render_template.py` reads JSON and writes the text.

A template is a program that a stranger wrote. It runs in Jinja's sandbox, which keeps it from everything but computing,
and here within bounds of time and memory, which keep it from computing for ever.
"""

from __future__ import annotations

import json
import resource
import sys

CPU_S = 2
MEMORY_BYTES = 512 << 20
MAX_CHARACTERS = 1 << 20
"""More than any template that is used writes."""


def main() -> None:
    """Read {"template", "messages", "names"}, write the rendered text."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    asked = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _refuse
    template = environment.from_string(asked["template"])
    text = template.render(messages=asked["messages"], add_generation_prompt=False, **asked["names"])
    sys.stdout.write(text[:MAX_CHARACTERS])


def _refuse(message: str) -> None:
    raise ValueError(message)


if __name__ == "__main__":
    main()

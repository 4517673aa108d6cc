"""What editors send to the loopback port for one and the same gap, field by field, and how each reads its answer.

Written down from the clients' own sources in November 2026: Zed's `crates/edit_prediction`, llama.vim's
`autoload/llama.vim`, minuet-ai.nvim's `backends/openai_base.lua`, Continue's `core/llm/llms/OpenAI.ts`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PREFIX, SUFFIX = "def add(first, second):\n    return ", "\n\nprint(add(1, 2))\n"
MAX_TOKENS = 24


@dataclass(frozen=True)
class Client:
    """A request, the text that it leaves between which pieces, and the reading of what comes back."""

    path: str
    body: dict[str, Any]
    read: Callable[[str], str]
    headers: dict[str, str] = field(default_factory=dict)
    prefix: str = PREFIX


def of_zed(answer: str) -> str:
    """All fields of `RawCompletionResponse` are required."""
    body = json.loads(answer)
    assert all(isinstance(body[name], str) for name in ("id", "object", "model")) and isinstance(body["created"], int)
    assert all(isinstance(body["usage"][f"{name}_tokens"], int) for name in ("prompt", "completion", "total"))
    assert isinstance(body["choices"][0]["finish_reason"], str)
    return str(body["choices"][0]["text"])


def of_llama_vim(answer: str) -> str:
    """Vim's json_decode takes one value; what the timings are is shown where they are there."""
    return str(json.loads(answer)["content"])


def of_a_stream(answer: str) -> str:
    """Continue and minuet join the first choice's texts; minuet takes lines apart at `data: `, Continue at [DONE]."""
    lines = [line.removeprefix("data: ") for line in answer.splitlines() if line]
    assert lines.pop() == "[DONE]"
    assert len(lines) > 2, "it comes in pieces"
    return "".join(json.loads(line)["choices"][0]["text"] for line in lines)


CLIENTS = {
    "zed": Client(
        "/v1/completions",
        {
            "model": "seedfill",
            "prompt": f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>",
            "max_tokens": MAX_TOKENS,
            "stop": ["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"],
        },
        of_zed,
    ),
    "llama.vim": Client(
        "/infill",
        {
            "id_slot": 0,
            "input_prefix": PREFIX[: PREFIX.index("\n") + 1],
            "input_suffix": SUFFIX,
            "input_extra": [],
            "prompt": PREFIX[PREFIX.index("\n") + 1 :],
            "n_predict": MAX_TOKENS,
            "stop": [],
            "n_indent": 4,
            "top_k": 40,
            "top_p": 0.9,
            "samplers": ["top_k", "top_p", "infill"],
            "stream": False,
            "cache_prompt": True,
            "t_max_prompt_ms": 500,
            "t_max_predict_ms": 60_000,  # it sends 250 to 1,000, which a busy machine may not keep
            "response_fields": ["content", "timings/prompt_n", "timings/predicted_n", "truncated", "tokens_cached"],
        },
        of_llama_vim,
    ),
    "minuet": Client(
        "/v1/completions",
        {
            "model": "seedfill",
            "stream": True,
            "max_tokens": MAX_TOKENS,
            "prompt": f"# language: python\n# indentation: use 4 spaces for a tab\n{PREFIX}",
            "suffix": SUFFIX,
        },
        of_a_stream,
        {"Accept": "application/json"},
        prefix=f"# language: python\n# indentation: use 4 spaces for a tab\n{PREFIX}",
    ),
    "continue": Client(
        "/v1/completions",
        {
            "model": "seedfill",
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
            "stop": [
                "<fim_prefix>",
                "<fim_suffix>",
                "<fim_middle>",
                "<file_sep>",
                "<|endoftext|>",
                "</fim_middle>",
                "</code>",
                "/src/",
                "#- coding: utf-8",
                "```",
            ],
            "stream": True,
            "prompt": f"<fim_prefix>{PREFIX}<fim_suffix>{SUFFIX}<fim_middle>",
        },
        of_a_stream,
        {"api-key": "{token}"},
    ),
}

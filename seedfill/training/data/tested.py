"""Prompts whose fills can be run: functions with examples in their docstrings, which are a doctest.

A function stands alone, below its file's absolute imports; its span lies behind the docstring. It counts only where
what stood in the span passes its examples and nothing in its place does not, each tried in the jail.
"""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Sequence
from dataclasses import replace

from sampler.model.tokenizer import Tokenizer
from seedfill.evaluation.execution import Limits, run_programs
from seedfill.training.data.corpus import Document
from seedfill.training.data.prompts import Prompt, PromptShape, draw_prompt

EXAMPLE = ">>> "
ATTEMPTS = 4
"""Functions that are tried for a prompt: many need more of their file than its imports."""
LIMITS = Limits(wall_seconds=5.0, cpu_seconds=3)
_RUN_EXAMPLES = """{whole}

import doctest as _doctest
_found = _doctest.DocTestFinder(recurse=False).find({name}, "{name}", module=False, globs=dict(globals()))
_results = [_doctest.DocTestRunner(verbose=False).run(_one) for _one in _found]
assert sum(_one.attempted for _one in _results) and not sum(_one.failed for _one in _results)
"""


def with_examples(documents: Sequence[Document]) -> list[Document]:
    """Files in which some docstring may hold examples."""
    return [document for document in documents if EXAMPLE in document.text and document.language == "python"]


def draw_tested(
    documents: Sequence[Document], tokenizer: Tokenizer, shape: PromptShape, rng: random.Random
) -> Prompt | None:
    """A random span of a random function with examples; None where none of a few turns out to be of use."""
    for _ in range(ATTEMPTS):
        document = rng.choice(documents)
        functions = functions_with_examples(document.text)
        if functions:
            text, name, start = rng.choice(functions)
            prompt = _span(replace(document, text=text), start, tokenizer, shape, rng)
            if prompt is not None and (tested := _with_tests(prompt, name)) is not None:
                return tested
    return None


def functions_with_examples(text: str) -> list[tuple[str, str, int]]:
    """(a program of the imports and the function, its name, where its body begins) of each that has examples."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape is a warning of the file's, not ours
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    lines = text.splitlines(keepends=True)
    imports = "".join(_source(lines, node) for node in tree.body if _is_absolute_import(node))
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and len(node.body) > 1 and EXAMPLE in (ast.get_docstring(node) or ""):
            head = imports + "\n\n" + "".join(lines[node.lineno - 1 : node.body[0].end_lineno])
            body = "".join(lines[node.body[0].end_lineno or 0 : node.end_lineno])
            found.append((head + body, node.name, len(head)))
    return found


def _is_absolute_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.level == 0)


def _source(lines: list[str], node: ast.stmt) -> str:
    return "".join(lines[node.lineno - 1 : node.end_lineno])


def _span(
    document: Document, start: int, tokenizer: Tokenizer, shape: PromptShape, rng: random.Random
) -> Prompt | None:
    """A span behind the docstring, of a few that are drawn anywhere in the function."""
    for _ in range(16):
        prompt = draw_prompt([document], tokenizer, shape, rng)
        if prompt.start >= start:
            return prompt
    return None


def _with_tests(prompt: Prompt, name: str) -> Prompt | None:
    """The prompt with its examples to be run, where they tell what stood there from nothing."""
    tests = _RUN_EXAMPLES.replace("{name}", name)
    programs = [tests.replace("{whole}", whole) for whole in (prompt.text, prompt.filled(""))]
    outcomes = run_programs(programs, LIMITS)
    return replace(prompt, tests=tests) if outcomes[0] == "passed" != outcomes[1] else None

"""Whoever edits as instructed, as an evaluation sees them; one of them is the sampler."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Protocol

from sampler.protocol.messages import Failure, InfillRequest, InfillResult, Policy, Start
from sampler.text.rewriting import CONFIDENCE_FLOOR, PARSE_ROUNDS, Around, Refusal, Rewriting, edit_request, rewrite
from seedfill.evaluation.infill import Submitter, wait_for


@dataclass(frozen=True, kw_only=True, slots=True)
class EditOutcome:
    """What came of an instruction: the whole file after the edit, or why there is none."""

    text: str | None
    refusal: str = ""
    confidence: float | None = None
    """How sure the model was of an edit that it made, 0 to 1."""
    forwards: int = 0
    ms: float | None = None


class Editor(Protocol):
    """Whoever edits as instructed."""

    def edit(self, source: str, start: int, end: int, instruction: str, *, language: str) -> EditOutcome:
        """Rewrite characters `start` to `end` of `source`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EditOptions:
    """How the sampler is asked. None leaves a choice to the model."""

    seed: int = 0
    start: Start = "selection"
    floor: float = CONFIDENCE_FLOOR
    """Edits that the model is less sure of are refused."""
    parse_rounds: int | None = PARSE_ROUNDS
    """How often what does not parse is written again before it is refused; None: what does not parse is taken too."""
    policy: Policy | None = None
    block_size: int | None = None
    threshold: float | None = None
    edit_threshold: float | None = None
    eager_threshold: float | None = None
    """That of a second look, where the first would change nothing."""


@dataclass(frozen=True, slots=True)
class SamplerEditor:
    """The sampler, asked and refused as editors and the shell do."""

    engine: Submitter
    options: EditOptions = field(default_factory=EditOptions)

    def edit(self, source: str, start: int, end: int, instruction: str, *, language: str) -> EditOutcome:
        """One instruction; a failed request counts as refused, for the reason that the sampler gives."""
        before, after = source[:start], source[end:]
        asked = Asked(self.engine)
        try:
            request = self._request(before, source[start:end], after, instruction, language)
            done = asyncio.run(self._rewritten(asked, request, (before, after)))
        except Refusal as refusal:
            return EditOutcome(text=None, refusal=str(refusal), forwards=asked.forwards, ms=asked.ms)
        text = before + done.text + after
        return EditOutcome(text=text, confidence=done.confidence, forwards=asked.forwards, ms=asked.ms)

    async def _rewritten(self, asked: Asked, request: InfillRequest, around: Around) -> Rewriting:
        options = self.options
        return await rewrite(
            asked.infill,
            request,
            options.floor,
            options.parse_rounds,
            around=around,
            eager_threshold=options.eager_threshold,
        )

    def _request(self, before: str, selection: str, after: str, instruction: str, language: str) -> InfillRequest:
        options = self.options
        request = edit_request(
            before,
            selection,
            after,
            instruction,
            document=f"eval:{hash((before, selection))}",
            language=language,
            seed=options.seed,
            policy=options.policy,
            block_size=options.block_size,
        )
        assert request.edit is not None
        edit = replace(request.edit, start=options.start, threshold=options.edit_threshold)
        return replace(request, edit=edit, threshold=options.threshold)


@dataclass(slots=True)
class Asked:
    """The engine as a function to await, and what it has cost so far."""

    engine: Submitter
    forwards: int = 0
    ms: float | None = None

    async def infill(self, request: InfillRequest) -> InfillResult:
        """The answer; raises Refusal where there is none. Nothing else waits in this loop, so it may stand still."""
        event = wait_for(self.engine, request)
        if isinstance(event, Failure):
            raise Refusal(event.message)
        self.forwards += event.candidates[0].forwards
        self.ms = (self.ms or 0.0) + event.ms
        return event

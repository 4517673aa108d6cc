"""How a request is sampled: by which policy, with which numbers, and what a model does not offer."""

from __future__ import annotations

import torch

from sampler.decoding.policies import CHECKED, POLICIES, TOKEN_BY_TOKEN
from sampler.decoding.unmask import EDIT_THRESHOLD, Sampling
from sampler.model.checkpoint import LoadedModel
from sampler.model.families import FamilyProfile
from sampler.protocol.messages import BadMessage, Edit, InfillRequest, Policy

CANDIDATE_TEMPERATURE = 0.8
"""Of all candidates but the first, where the request names none."""


def check(request: InfillRequest, model: LoadedModel) -> None:
    """Raise BadMessage, with one sentence, for what the model does not offer."""
    profile = model.profile
    if request.policy in CHECKED and not profile.causal_reading:
        raise BadMessage(f"The model {model.id} has no causal reading, so the policy {request.policy} is not offered.")
    if request.policy is not None and request.policy not in POLICIES:
        raise BadMessage(f"There is no policy {request.policy!r}: choose one of {', '.join(POLICIES)}.")
    if request.policy not in (None, *TOKEN_BY_TOKEN) and profile.infill is not None:
        raise BadMessage(f"The model {model.id} fills no masks: choose {' or '.join(reversed(TOKEN_BY_TOKEN))}.")
    if request.edit is not None:
        _check_edit(request, request.edit, profile, model)


def _check_edit(request: InfillRequest, edit: Edit, profile: FamilyProfile, model: LoadedModel) -> None:
    if profile.layout == "in-place":
        if profile.chat is None:
            raise BadMessage(f"The model {model.id} only fills gaps: choose one that edits.")
    elif edit.start == "selection" and not profile.edit_ids and request.policy not in (None, *CHECKED):
        raise BadMessage(f"The model {model.id} was not taught to judge old code: leave the policy out.")


def _policy(request: InfillRequest, profile: FamilyProfile) -> Policy:
    """The policy asked for, else the model's own; old code is judged by a model that was taught to, else by agreement.

    Judged code is not checked by the causal reading as well, which knows nothing of what stands further on.
    """
    is_drafted = request.edit is not None and request.edit.start == "selection" and profile.layout != "in-place"
    if request.policy is not None or not is_drafted:
        return request.policy or profile.policy
    return "threshold" if profile.edit_ids else "verified"


def _edit_threshold(edit: Edit | None, profile: FamilyProfile, policy: Policy) -> float | None:
    """τ_edit: of old code as asked for, or the model's own; of what it writes itself, right more often, a high one."""
    if edit is None or edit.start == "masks" or profile.layout == "in-place":
        return EDIT_THRESHOLD if profile.edit_ids else None
    if edit.threshold is not None:
        return edit.threshold
    return None if policy in CHECKED else profile.edit_threshold or EDIT_THRESHOLD


def sampling_of(request: InfillRequest, model: LoadedModel, index: int) -> Sampling:
    """How candidate `index` is sampled: the first of several greedily, the others at a temperature."""
    profile = model.profile
    policy = _policy(request, profile)
    own = profile.threshold if policy == profile.policy else None
    temperature = request.temperature
    if request.n_candidates > 1:
        temperature = (temperature or CANDIDATE_TEMPERATURE) if index else 0.0
    generator = torch.Generator(model.device)
    generator.manual_seed((request.seed * 1_000_003 + index) % 2**63)
    return Sampling(
        policy=policy,
        threshold=next(t for t in (request.threshold, own, POLICIES[policy].parameter) if t is not None),
        block_size=POLICIES[policy].block_size or request.block_size or profile.block_size,
        temperature=temperature,
        top_p=request.top_p,
        generator=generator,
        edit_threshold=_edit_threshold(request.edit, profile, policy),
        is_edit=request.edit is not None and request.edit.start == "selection",
    )

"""The model's next-token reading of a text that is known, which benchmarks score contexts by."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sampler.model.attention import Causal
from sampler.model.checkpoint import LoadedModel


@torch.inference_mode()
def read(model: LoadedModel, context: list[int], gold: list[int]) -> Tensor:
    """The log-probabilities (n, V) of what comes at each of the n tokens of `gold` behind `context`."""
    tokens = torch.tensor([[*context, *gold]])
    hidden = model.backbone(tokens, torch.arange(tokens.shape[1]), Causal())
    found: Tensor = model.backbone.logits(hidden[0, len(context) - 1 : -1]).float().log_softmax(-1)
    return found


def bits(log_probs: Tensor, gold: list[int]) -> float:
    """What `gold` costs in bits under the log-probabilities (n, V) of its tokens."""
    return float(-log_probs.gather(1, torch.tensor(gold)[:, None]).sum() / math.log(2))

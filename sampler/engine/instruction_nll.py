"""How well a model knows what it is asked to do: a small one was taught few requests, and takes all others for those.

What it was taught to do it was told in words, which its next-token reading has learned with everything else. So words
that surprise that reading ask for something else, however sure the model may be of the edit it makes then.
"""

from __future__ import annotations

import torch

from sampler.model.checkpoint import LoadedModel
from sampler.model.layout import header
from sampler.model.network import Segment


@torch.inference_mode()
def surprise(model: LoadedModel, instruction: str, language: str) -> float:
    """Mean surprise of an instruction's tokens by the causal reading, in nats a token; 0 where there are none."""
    head = header(model.tokenizer, language=language, path="", instruction=instruction)
    n = len(model.tokenizer.encode(instruction))
    if not n:
        return 0.0
    tokens = torch.tensor(head, device=model.device)
    positions = torch.arange(len(head), device=model.device)
    hidden = model.network.read(tokens, positions, [Segment(len(head), past=(), is_causal=True)]).hidden
    log_probs = model.network.logits(hidden[-n - 1 : -1]).float().log_softmax(-1)
    return float(-log_probs.gather(1, tokens[-n:, None]).mean())

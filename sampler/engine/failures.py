"""What went wrong with a request, in one sentence for a person."""

from __future__ import annotations

import torch

from sampler.model.folder import ModelError
from sampler.protocol.messages import BadMessage, Failure

CANCELLED = Failure(kind="cancelled", message="The request was cancelled.")


def failure(error: Exception) -> Failure:
    """What to tell of an error, in one sentence."""
    if isinstance(error, BadMessage):
        return Failure(kind="bad_input", message=str(error))
    if isinstance(error, ModelError):
        return Failure(kind="failed", message=str(error))
    if is_out_of_memory(error):
        return Failure(kind="failed", message="Memory ran out: choose a smaller model or fewer candidates.")
    return Failure(kind="failed", message=f"The sampler failed ({type(error).__name__}: {error}); its log has more.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python could not get memory, on whatever device."""
    texts = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error).lower() for text in texts)
    )

"""The moving average of the weights (EMA), which is often better than the weights of the last step."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """a = d a + (1 - d) w after each step, of the trained weights w, in their dtype. d rises: min(decay, (1 + t) / (10 + t))."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._model = model
        self._names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._weights = [model.get_parameter(name) for name in self._names]
        self._averages = [weight.detach().clone() for weight in self._weights]

    def start(self) -> None:
        """Start from the weights as they are now."""
        torch._foreach_copy_(self._averages, [weight.detach() for weight in self._weights])

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after step `step` (from 0) in."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, [weight.detach() for weight in self._weights], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averages for the time being."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take averages from the state dict of a model. Raises KeyError if one is missing, RuntimeError for another shape."""
        for name, average in zip(self._names, self._averages, strict=True):
            average.copy_(state[name])

    @torch.no_grad()
    def _exchange(self) -> None:
        for weight, average in zip(self._weights, self._averages, strict=True):
            held = weight.detach().clone()
            weight.copy_(average)
            average.copy_(held)

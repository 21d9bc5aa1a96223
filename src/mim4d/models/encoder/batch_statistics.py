"""What a batch's statistics do in batch norms: whether running ones follow, and renormalisation.

All images of a clip show one scene. Normalised by its own statistics it loses what is common to it,
such as dusk or haze; normalised by the running ones, as after training, it keeps that, and the
layers behind meet what they were never trained on. Batch renormalisation (Ioffe, arXiv 1702.03275)
ends the difference: values are those of the running statistics also in training, while gradients
still go through the batch's.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

_LARGEST_SCALE = 3.0
"""Factor by which renormalisation corrects a standard deviation at most."""
_LARGEST_SHIFT = 5.0
"""Running standard deviations by which it corrects a mean at most."""
_SHARE = 0.05
"""Of a batch in running statistics that training rests on: steadier than torch's 0.1."""


@dataclass(frozen=True)
class Statistics:
    """How batch norms in training use the statistics of a batch.

    Attributes:
        track: Whether running statistics follow. False when activation checkpointing computes the
            same values a second time.
        renormalise_after: Batches that a norm has seen when renormalisation begins; over a fifth as
            many more it grows to its full strength. None: batch norms as they are.
        kept: Corrections by norm, for a repetition: the running statistics have followed since.
            None where nothing is repeated.
    """

    track: bool = True
    renormalise_after: int | None = None
    kept: dict[int, tuple[Tensor, Tensor]] | None = None

    @torch.no_grad()
    def correction(
        self, norm: nn.BatchNorm2d, mean: Float[Tensor, " c"], var: Float[Tensor, " c"]
    ) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
        """Scale and shift that bring what a batch's statistics normalised to the running ones'.

        They are constants to the gradient, and 1 and 0 before their time.

        Args:
            norm: Holds the running statistics.
            mean: Of the batch.
            var: Of the batch, biased.
        """
        assert self.renormalise_after is not None
        assert norm.num_batches_tracked is not None
        if not self.track and self.kept is not None:
            return self.kept[id(norm)]
        running_mean, running_var = running(norm)
        late = norm.num_batches_tracked - self.renormalise_after
        strength = (late / max(self.renormalise_after / 5, 1)).clamp(0, 1)
        largest, furthest = 1 + strength * (_LARGEST_SCALE - 1), strength * _LARGEST_SHIFT
        deviation = (running_var + norm.eps).sqrt()
        scale = (var + norm.eps).sqrt() / deviation
        shift = (mean - running_mean) / deviation
        corrected = scale.clamp(1 / largest, largest), shift.clamp(-furthest, furthest)
        if self.kept is not None:
            self.kept[id(norm)] = corrected
        return corrected

    def count(self, norm: nn.BatchNorm2d) -> float:
        """Count one more batch; returns its share in the running statistics."""
        counter = norm.num_batches_tracked
        if counter is not None:
            counter += 1
        if norm.momentum is None:  # a plain average over all batches
            return 1.0 / float(counter) if counter is not None else 0.0
        return norm.momentum if self.renormalise_after is None else _SHARE


PLAIN = Statistics()
"""Batch norms as torch has them."""


def running(norm: nn.BatchNorm2d) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Running mean and variance.

    Raises:
        ValueError: If the norm has none.
    """
    mean, var = norm.running_mean, norm.running_var
    if mean is None or var is None:
        raise ValueError("masked_batch_norm: expected a norm that tracks running statistics")
    return mean, var

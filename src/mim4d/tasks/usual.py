"""Which of many things come back from clip to clip at the same place: what never looking can know.

Lines of a map, boxes: candidates are all that were true in some clips. Enters how far any two are
apart, metres. Leaves the places that come back most often, each once.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def usual_places(
    away_m: Float[Tensor, "k k"], clips: Int64[Tensor, " k"], num_clips: int, near_m: float
) -> tuple[Int64[Tensor, " m"], Float[Tensor, " m"]]:
    """Rows of the candidates that stand for a place, and the share of clips that have one there.

    The one with the largest share is taken, those near it are dropped, and so on.

    Args:
        away_m: Distance of any two candidates.
        clips: Number of the clip of each.
        num_clips: How many clips there are.
        near_m: Within this, two candidates are the same.
    """
    near = away_m <= near_m
    in_clip = torch.nn.functional.one_hot(clips, num_clips)
    shares = (near.long() @ in_clip > 0).float().mean(dim=1)
    left = torch.ones(len(clips), dtype=torch.bool)
    rows = []
    for row in shares.argsort(descending=True, stable=True).tolist():
        if left[row]:
            rows.append(row)
            left &= ~near[row]
    chosen = torch.tensor(rows, dtype=torch.int64)
    return chosen, shares[chosen]

"""Which frames of a clip are dropped, and from which others each is rebuilt.

Frames are counted oldest first. Several may be dropped at once, either together (none of them is
a source) or each for itself (every other frame is a source). MIM4D (arXiv 2403.08760) drops the key
frame and a random other one, each for itself.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

DroppedFrame = Literal["inner", "any", "key"]


@dataclass(frozen=True)
class Dropping:
    """What is dropped in each step; see `MaskConfig`.

    Attributes:
        frame: `inner` frames have neighbours on both sides; `key` is the key frame and, if more are
            dropped, others at random.
        count: Frames dropped of each clip; 0 for clips of one frame.
        together: Whether the dropped frames are hidden from each other too.
    """

    frame: DroppedFrame
    count: int = 1
    together: bool = True


def droppable(frame: DroppedFrame, num_frames: int) -> range:
    """The frames that may be dropped."""
    return range(1, num_frames - 1) if frame == "inner" else range(num_frames)


def draw_dropped(
    dropping: Dropping, num_frames: int, key: int, generator: torch.Generator
) -> Int[Tensor, " k"]:
    """Draw the dropped frames of one clip, without repetition; the key frame, if asked for, first.

    A single frame is never dropped: nothing would be left to rebuild it from.

    Args:
        dropping: What to drop.
        num_frames: Frames of the clip.
        key: Index of the key frame.
        generator: On the CPU.
    """
    if num_frames == 1:
        return torch.empty(0, dtype=torch.long)
    left = list(droppable(dropping.frame, num_frames))
    drawn = []
    for place in range(dropping.count):
        if place == 0 and dropping.frame == "key":
            index = left.index(key % num_frames)
        else:
            index = int(torch.randint(len(left), (), generator=generator))
        drawn.append(left.pop(index))
    return torch.tensor(drawn, dtype=torch.long)


def joined_index(frames: Int[Tensor, "b k"], num_frames: int) -> Int[Tensor, " m"]:
    """Places of some frames of each clip along the axis that joins clips and frames, (b t)."""
    clips = torch.arange(len(frames), device=frames.device)[:, None]
    return (clips * num_frames + frames).flatten()


def source_frames(
    dropped: Int[Tensor, "b k"], num_frames: int, together: bool
) -> Int[Tensor, "b k s"]:
    """The frames that each dropped one is rebuilt from, oldest first.

    Args:
        dropped: The dropped frames of each clip, all different.
        num_frames: Frames of a clip.
        together: Whether the dropped frames are hidden from each other too.
    """
    num_dropped = dropped.shape[1]
    hidden = torch.arange(num_frames, device=dropped.device) == dropped.unsqueeze(-1)  # b k t
    if together:
        hidden = hidden.any(dim=1, keepdim=True).expand_as(hidden)
    num_hidden = num_dropped if together else 1
    # A stable sort puts the frames that are not hidden first and keeps their order.
    order = hidden.byte().argsort(dim=-1, stable=True)
    return order[..., : num_frames - num_hidden]

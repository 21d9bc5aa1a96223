"""Trunk and head: the key frame of a clip to what a task's head says of it."""

from typing import Any

import torch
from torch import nn

from mim4d.data.clip import Clip
from mim4d.models.video_encoder import VideoEncoder


class TaskModel(nn.Module):
    """A video encoder with a head on the volume of the key frame.

    Args:
        encoder: The trunk, as pre-training leaves it behind.
        head: Volumes `b c z y x`, in the key frame's ego axes, to an output. Runs in full
            precision, whatever the trunk's.
        frozen_trunk: The trunk stays as it is: no gradients, and always in evaluation mode.
    """

    def __init__(self, encoder: VideoEncoder, head: nn.Module, frozen_trunk: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.frozen_trunk = frozen_trunk
        if frozen_trunk:
            encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "TaskModel":
        """Training mode, but not of a frozen trunk: its statistics must not move either."""
        super().train(mode)
        if self.frozen_trunk:
            self.encoder.eval()
        return self

    def forward(self, clip: Clip) -> Any:
        """The head's output for each clip of a batch; frames beside the key frame are not read."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen_trunk):
            volumes = self.encoder(clip.key_frame())
        return self.head(volumes[:, 0])

"""Trunk and head: a clip to what a task's head says of its key frame."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mim4d.config.values import Frozen
from mim4d.data.clip import Clip
from mim4d.models.video_encoder import VideoEncoder
from mim4d.tasks.frames import JoinFrames


@dataclass(frozen=True)
class SeenClip:
    """What a trunk makes of a clip.

    Attributes:
        volume: What the head reads, in the key frame's ego axes.
        frames: The frames that were read: the key frame alone, or all.
        depth_probs: The trunk's depth distributions of these frames.
        features: The image features that were lifted, of these frames.
    """

    volume: Float[Tensor, "b c z y x"]
    frames: Clip
    depth_probs: Float[Tensor, "b t n d hf wf"]
    features: Float[Tensor, "b t n k hf wf"]


class TaskModel(nn.Module):
    """A video encoder with a head on the volume of the key frame.

    Args:
        encoder: The trunk, as pre-training leaves it behind.
        join: What becomes of a clip's frames.
        head: Volumes `b c z y x`, in the key frame's ego axes, to an output. Runs in full
            precision, whatever the trunk's.
        frozen: What stays as it is, without gradients and always in evaluation mode: nothing, the
            image encoder (the backbone), or the trunk (encoder and temporal decoder).
        image_head: What learns beside the head in the images themselves, of features `m k hf wf`;
            for training alone.
    """

    def __init__(
        self,
        encoder: VideoEncoder,
        join: JoinFrames,
        head: nn.Module,
        frozen: Frozen = "nothing",
        image_head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.join = join
        self.head = head
        self.frozen = frozen
        self.image_head = image_head
        for part in self._frozen_parts():
            part.requires_grad_(False).eval()

    def _frozen_parts(self) -> tuple[nn.Module, ...]:
        match self.frozen:
            case "nothing":
                return ()
            case "image_encoder":
                return (self.encoder.image_encoder,)
            case "trunk":
                return self.encoder, self.join

    def train(self, mode: bool = True) -> "TaskModel":
        """Training mode, but not of what is frozen: its statistics must not move either."""
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        return self

    def look(self, clip: Clip) -> SeenClip:
        """What the trunk makes of each clip of a batch."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.frozen != "trunk"):
            frames = self.join.frames_of(clip)
            encoded = self.encoder.encode(frames)
            volume = self.join(encoded, frames)
            return SeenClip(volume, frames, encoded.depth_probs, encoded.features)

    def look_at_images(self, seen: SeenClip) -> Any:
        """The image head's output for the key frame's images, one after another."""
        assert self.image_head is not None
        return self.image_head(seen.features[:, seen.frames.key].flatten(0, 1).float())

    def forward(self, clip: Clip) -> Any:
        """The head's output for each clip of a batch."""
        return self.head(self.look(clip).volume)

"""Several frames' volumes become the one that a head reads, in the axes of the key frame.

Other frames' volumes are looked up where the key frame's voxels were (the warp of the
pre-training, exact in metres), so that ego motion is removed; what moves by itself is not aligned:
it is what a head may see motion by.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from mim4d.config.values import Join
from mim4d.data.clip import Clip
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.video_encoder import EncodedClip
from mim4d.temporal.decoder import FrameDecoder
from mim4d.temporal.scene_flow import SceneFlow, align_sources, shared_mean
from mim4d.temporal.sources import gather_sources


class JoinFrames(nn.Module):
    """The volumes of a clip's frames become one.

    Args:
        channels: Of one frame's volume that heads read; those of its exposure come behind them and
            are left out.
        frames: Of a clip.
        how: `key` reads the key frame alone; `concatenate` puts the others beside it, the oldest
            first, zero where they say nothing; `decoder` what is rebuilt of the key frame from the
            others.
        grid: Of the volumes.
        decoder: Rebuilds a frame from others; for `decoder`.
        scene_flow: What the decoder's sources are aligned by, if it was trained so.

    Attributes:
        out_channels: Of what leaves.
    """

    def __init__(
        self,
        channels: int,
        frames: int,
        how: Join,
        grid: VoxelGrid,
        decoder: FrameDecoder | None = None,
        scene_flow: SceneFlow | None = None,
    ) -> None:
        super().__init__()
        assert (how == "decoder") == (decoder is not None)
        self.how = how
        self.channels = channels
        self.grid = grid
        self.decoder = decoder
        self.scene_flow = scene_flow
        self.out_channels = channels * {"key": 1, "concatenate": frames, "decoder": 2}[how]

    def frames_of(self, clip: Clip) -> Clip:
        """The frames that are read, so that no others need be encoded."""
        return clip.key_frame() if self.how == "key" else clip

    def forward(self, encoded: EncodedClip, clip: Clip) -> Float[Tensor, "b c z y x"]:
        """The key frame's own volume first.

        Args:
            encoded: What the encoder made of each of the frames.
            clip: What `frames_of` gives of a clip.
        """
        read = encoded.volumes[:, :, : self.channels]
        if clip.num_frames == 1:
            return read[:, 0]
        if self.decoder is None:
            targets, others = _key_and_others(clip)
            sources = gather_sources(read, clip, targets, others, self.grid)
            warped = sources.warped * sources.usable.unsqueeze(2)
            joined = rearrange(warped, "b s c z y x -> b (s c) z y x")
        else:
            joined = self._rebuild(encoded, clip)[:, : self.channels]
        return torch.cat([read[:, clip.key], joined], dim=1)

    def _rebuild(self, encoded: EncodedClip, clip: Clip) -> Float[Tensor, "b c z y x"]:
        """The key frame's volume as the decoder makes it from the others."""
        assert self.decoder is not None
        targets, others = _key_and_others(clip)
        sources = gather_sources(encoded.volumes, clip, targets, others, self.grid)
        if self.scene_flow is None:
            return self.decoder(sources)
        lifted = gather_sources(encoded.lifted.detach(), clip, targets, others, self.grid)
        aligned, share = align_sources(sources, self.scene_flow(lifted), self.grid)
        return self.decoder(aligned, shared_mean(aligned, share))


def _key_and_others(clip: Clip) -> tuple[Int[Tensor, "b 1"], Int[Tensor, "b 1 s"]]:
    """The key frame of each clip, and its other frames."""
    frames = [t for t in range(clip.num_frames) if t != clip.key]
    index = torch.tensor([clip.key, *frames], device=clip.images.device)
    index = index.expand(clip.batch_size, -1)
    return index[:, :1], index[:, None, 1:]

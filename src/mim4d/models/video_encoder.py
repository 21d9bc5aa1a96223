"""Clip to volumes: masked image encoder, neck, depth head, lifting and volume convolution.

Every frame is lifted into its own ego frame at its own time, with each image's own pose; nothing
here mixes frames. This is the part that pre-training is for and that the tasks reuse
(MIM4D, arXiv 2403.08760, section 3).
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.profiler import record_function

from mim4d.data.clip import Clip, ego_from_camera
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.camera_rays import CellRays, cell_rays
from mim4d.models.depth_head import DepthHead
from mim4d.models.encoder.masked_encoder import MaskedEncoder
from mim4d.models.encoder.masking import enlarge_mask, hide_padding
from mim4d.models.exposure import add_exposure
from mim4d.models.given_depth import with_given_depths
from mim4d.models.lifting.lifting import LiftGeometry, Lifting, LiftLight, Normalise
from mim4d.models.neck import FeaturePyramid
from mim4d.tensors.pixels import checked_colours, unit_colours


@dataclass(frozen=True)
class EncodedClip:
    """What the encoder makes of a clip.

    Attributes:
        volumes: One volume per frame on the grid, each in its own frame's ego axes; channels of
            the frame's exposure, if the encoder gives them, come last.
        lifted: The same before the volumes' convolutions, which blur where things are.
        depth_probs: The depth distributions of the finest level, over the head's bins: what was
            lifted by, so those of given depths where the clip has some.
        features: The image features of that level, as they were lifted, in the networks' precision.
    """

    volumes: Float[Tensor, "b t c z y x"]
    lifted: Float[Tensor, "b t k z y x"]
    depth_probs: Float[Tensor, "b t n d hf wf"]
    features: Float[Tensor, "b t n k hf wf"]


class VideoEncoder(nn.Module):
    """Images of a clip to one volume per frame.

    Args:
        image_encoder: Images to multi-scale maps; hidden cells stay exactly zero.
        neck: Joins the scales.
        depth_head: Maps to projected features and a distribution over depth bins.
        volume_conv: Applied to every lifted volume: a `VolumeConv`, or several in a row.
        lifting: Image features to voxels: `lift_by_lookup` or `lift_by_splat`.
        grid: The voxels, the same in every frame's ego axes.
        normalise: How what several cameras say about one voxel is joined; see the lifting.
        light: Depth distributions to the light at every voxel, which the volume convolution sees
            after the features; None leaves it out.
        exposure: Give volumes the channels of their frames' exposure, behind those of the volume
            convolution.
        half_precision: Run the networks, not the geometry, under bfloat16 autocast. Coordinates
            never pass through it: half precision moves far pixels by half a cell.
    """

    def __init__(
        self,
        image_encoder: MaskedEncoder,
        neck: FeaturePyramid,
        depth_head: DepthHead,
        volume_conv: nn.Module,
        lifting: Lifting,
        grid: VoxelGrid,
        normalise: Normalise,
        light: LiftLight | None = None,
        exposure: bool = False,
        half_precision: bool = False,
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.neck = neck
        self.depth_head = depth_head
        self.volume_conv = volume_conv
        self.lifting = lifting
        self.grid = grid
        self.normalise = normalise
        self.light = light
        self.exposure = exposure
        self.half_precision = half_precision

    def encode_images(
        self,
        images: Tensor,
        visible: Bool[Tensor, "m hp wp"] | None = None,
        max_cells: int | None = None,
    ) -> list[Float[Tensor, "m c hf wf"]]:
        """Neck features of single images, finest level first.

        Args:
            images: RGB, `m 3 h w`, sizes a multiple of 32: colours in [0, 1], or uint8 levels 0 to
                255, which are divided by 255. Not normalised by mean and deviation: the encoder
                does what it needs.
            visible: Patches the encoder may see; None shows everything.
            max_cells: What no image's visible patches exceed; see the image encoder.

        Raises:
            ValueError: If the images are of another shape, kind or range.
        """
        return self._encode_images(checked_colours(images), visible, max_cells)

    def _encode_images(
        self,
        images: Float[Tensor, "m 3 h w"],
        visible: Bool[Tensor, "m hp wp"] | None,
        max_cells: int | None,
    ) -> list[Float[Tensor, "m c hf wf"]]:
        """The same of colours that need no look: a look would wait for the device."""
        return self.neck(self.image_encoder(images, visible, max_cells))

    def forward(
        self, clip: Clip, visible: Bool[Tensor, "b t n hp wp"] | None = None
    ) -> Float[Tensor, "b t c z y x"]:
        """Volumes alone: what tasks want. See `encode`."""
        return self.encode(clip, visible).volumes

    def encode(
        self,
        clip: Clip,
        visible: Bool[Tensor, "b t n hp wp"] | None = None,
        max_cells: int | None = None,
        volumes_teach_depth: bool = True,
    ) -> EncodedClip:
        """Lift every frame of the clip.

        Args:
            clip: The clip; only images and calibration are read, and depths if it gives some.
            visible: Patches the encoder may see; None shows everything.
            max_cells: What no image's visible patches exceed; see the image encoder.
            volumes_teach_depth: Let gradients of the volumes reach the depth distributions; else
                those of `depth_probs` alone do.
        """
        images, visible = _joined(clip, visible)
        features, depth_probs = self._look(clip, images, visible, max_cells)
        if clip.given_depths is not None:
            centres_m = self.depth_head.bins.centres_m.to(clip.given_depths)
            depth_probs = with_given_depths(depth_probs, clip.given_depths.flatten(0, 2), centres_m)
        used = depth_probs if volumes_teach_depth else [probs.detach() for probs in depth_probs]
        with record_function("lift"):
            lifted = self._lift(clip, features, used)
            seen = lifted if self.light is None else self._with_light(clip, lifted, used[0])
            with self._autocast(images):
                volumes = self.volume_conv(seen).float()
            if self.exposure:
                volumes = self._with_exposure(clip, volumes, images, visible)
        return EncodedClip(
            rearrange(volumes, "(b t) c z y x -> b t c z y x", b=clip.batch_size),
            rearrange(lifted, "(b t) k z y x -> b t k z y x", b=clip.batch_size),
            _by_image(clip, depth_probs[0]),
            _by_image(clip, features[0]),
        )

    def estimate_depths(
        self,
        clip: Clip,
        visible: Bool[Tensor, "b t n hp wp"] | None = None,
        max_cells: int | None = None,
    ) -> Float[Tensor, "b t n d hf wf"]:
        """The head's own depth distributions of the finest level alone; nothing is lifted.

        Args:
            clip: The clip; only images and calibration are read.
            visible: Patches the encoder may see; None shows everything.
            max_cells: What no image's visible patches exceed; see the image encoder.
        """
        images, visible = _joined(clip, visible)
        _, depth_probs = self._look(clip, images, visible, max_cells)
        return _by_image(clip, depth_probs[0])

    def _look(
        self,
        clip: Clip,
        images: Float[Tensor, "m 3 h w"],
        visible: Bool[Tensor, "m hp wp"] | None,
        max_cells: int | None,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Features and depth distributions of single images, finest level first."""
        with record_function("encode"), self._autocast(images):
            levels = self._encode_images(images, visible, max_cells)
            return self.depth_head(levels, self._rays(clip, levels))

    def _autocast(self, images: Tensor) -> torch.autocast:
        return torch.autocast(images.device.type, torch.bfloat16, enabled=self.half_precision)

    def _rays(self, clip: Clip, levels: list[Tensor]) -> list[CellRays]:
        intrinsics, poses = clip.intrinsics.flatten(0, 2), ego_from_camera(clip).flatten(0, 2)
        image_hw = (clip.images.shape[-2], clip.images.shape[-1])
        return [
            cell_rays(intrinsics, poses, image_hw, (level.shape[-2], level.shape[-1]))
            for level in levels
        ]

    def _lift(self, clip: Clip, features: list[Tensor], depth_probs: list[Tensor]) -> Tensor:
        """Lift every frame by itself: frames are joined with the batch."""
        n = clip.num_cameras
        return self.lifting(
            [rearrange(level, "(m n) c h w -> m n c h w", n=n) for level in features],
            [rearrange(probs, "(m n) d h w -> m n d h w", n=n) for probs in depth_probs],
            self._lift_geometry(clip),
            self.normalise,
        )

    def _with_light(self, clip: Clip, lifted: Tensor, depth_probs: Tensor) -> Tensor:
        """Lifted features, then the light that the distributions of one level tell of."""
        assert self.light is not None
        probs = rearrange(depth_probs, "(m n) d h w -> m n d h w", n=clip.num_cameras)
        return torch.cat([lifted, self.light(probs, self._lift_geometry(clip))], dim=1)

    def _with_exposure(
        self,
        clip: Clip,
        volumes: Float[Tensor, "f c z y x"],
        images: Float[Tensor, "m 3 h w"],
        visible: Bool[Tensor, "m hp wp"] | None,
    ) -> Float[Tensor, "f c2 z y x"]:
        """Volumes, then the exposure of what was seen of their frames."""
        n, (h, w) = clip.num_cameras, images.shape[-2:]
        seen = clip.image_present[..., None, None].expand(-1, -1, -1, h, w)
        seen = hide_padding(seen, clip.image_sizes, patch_px=1).flatten(0, 2)
        if visible is not None:
            seen = seen & enlarge_mask(visible, h // visible.shape[-2])
        return add_exposure(
            volumes,
            rearrange(images, "(m n) c h w -> m n c h w", n=n),
            rearrange(seen, "(m n) h w -> m n h w", n=n),
        )

    def _lift_geometry(self, clip: Clip) -> LiftGeometry:
        return LiftGeometry(
            self.grid,
            self.depth_head.bins,
            ego_from_camera(clip).flatten(0, 1),
            clip.intrinsics.flatten(0, 1),
            # An absent image has no picture, so it says nothing about any voxel.
            (clip.image_sizes * clip.image_present.unsqueeze(-1)).flatten(0, 1),
            (clip.images.shape[-2], clip.images.shape[-1]),
        )


def _joined(
    clip: Clip, visible: Bool[Tensor, "b t n hp wp"] | None
) -> tuple[Float[Tensor, "m 3 h w"], Bool[Tensor, "m hp wp"] | None]:
    """A clip's images, and what is visible of them, as single images."""
    images = rearrange(unit_colours(clip.images), "b t n c h w -> (b t n) c h w")
    if visible is not None:
        visible = rearrange(visible, "b t n hp wp -> (b t n) hp wp")
    return images, visible


def _by_image(clip: Clip, maps: Float[Tensor, "m d hf wf"]) -> Float[Tensor, "b t n d hf wf"]:
    b, t, n = clip.images.shape[:3]
    return rearrange(maps, "(b t n) d h w -> b t n d h w", b=b, t=t, n=n)

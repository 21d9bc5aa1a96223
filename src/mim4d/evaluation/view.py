"""What is looked at: one frame of a clip, through a regular lattice of rays in every camera.

What enters is a clip; what leaves are rays in the frame's ego axes (metres), their pixels, and what
the images show there.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.build.trunk import build_grid
from mim4d.config import PretrainConfig
from mim4d.data.clip import Clip, ego_from_camera
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.pretraining.ray_choice import at_pixels
from mim4d.rendering.rays import Rays, image_rays
from mim4d.tensors.pixels import unit_colours

MIN_M, MAX_M = 1.0, 60.0
"""Distances that count, metres."""


def spread(count: int, wanted: int | None) -> list[int]:
    """At most `wanted` of `count` indices, evenly spread."""
    if wanted is None or wanted >= count:
        return list(range(count))
    return [(2 * i + 1) * count // (2 * wanted) for i in range(wanted)]


@dataclass(frozen=True)
class EvaluatedView:
    """One frame and its rays.

    Attributes:
        frame: The frame that is rendered, and dropped for the rebuilt volume.
        lattice: Rows and columns of rays per camera.
        grid: Rays end where they leave it.
        near_m: Nearest sample of a ray, metres.
    """

    frame: int
    lattice: tuple[int, int]
    grid: VoxelGrid
    near_m: float

    @classmethod
    def of(cls, config: PretrainConfig, stride: int) -> "EvaluatedView":
        """The key frame if that is what is dropped in training, else the middle one.

        Raises:
            ValueError: If the lattice has no rays.
        """
        clip = config.clip
        if stride > min(clip.image_height, clip.image_width):
            raise ValueError(
                f"--stride {stride}: larger than the images of this run, "
                f"{clip.image_height}×{clip.image_width}"
            )
        key = config.mask.dropped_frame == "key"
        return cls(
            clip.key % clip.frames if key else clip.frames // 2,
            (clip.image_height // stride, clip.image_width // stride),
            build_grid(config.grid),
            config.render.near_m,
        )

    def rays(self, clip: Clip) -> Rays:
        """The lattice of rays of a single clip, in the frame's ego axes."""
        return self.rays_and_pixels(clip)[0]

    def rays_and_pixels(self, clip: Clip) -> tuple[Rays, Float[Tensor, "b r 2"]]:
        """The rays and their pixels (u, v), by camera, row and column."""
        return image_rays(
            clip.image_sizes[:, self.frame],
            clip.image_present[:, self.frame],
            clip.intrinsics[:, self.frame],
            ego_from_camera(clip)[:, self.frame],
            self.lattice,
            self.grid,
            self.near_m,
        )

    def images(self, flat: Tensor) -> Tensor:
        """Something of every ray, by camera, row and column of the lattice: `(n h w) ...`."""
        return flat.unflatten(0, (-1, *self.lattice))

    def colours(self, clip: Clip) -> Float[Tensor, "n h w 3"]:
        """Colour of the pixel that each ray goes through."""
        n, (h, w) = clip.num_cameras, clip.images.shape[-2:]
        u, v = self.rays_and_pixels(clip)[1][0].floor().long().unbind(dim=-1)
        camera = torch.arange(n, device=u.device).repeat_interleave(len(u) // n)
        levels = clip.images[0, self.frame, camera, :, v.clamp(0, h - 1), u.clamp(0, w - 1)]
        return self.images(unit_colours(levels))

    def shown(self, clip: Clip) -> Bool[Tensor, "n h w"]:
        """Rays that exist, cross the grid and do not end on the car that carries the camera."""
        rays, pixels = self.rays_and_pixels(clip)
        shown = rays.valid[0]
        if clip.on_body is not None:
            by_camera = pixels[0].unflatten(0, (clip.num_cameras, -1))
            shown = shown & ~at_pixels(clip.on_body[0], by_camera).flatten()
        return self.images(shown)

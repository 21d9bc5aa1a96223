"""Changes of the rig itself: cameras that are absent, and cameras mounted a little differently.

A camera that is only turned sees the same light: its image is warped by K R K⁻¹ and its pose turned
along, so that what is known of the clip stays exact. What the turned camera would see beyond its
old picture is black, and covered by `on_body`: no ray is cast there.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip


@dataclass(frozen=True)
class RigRanges:
    """How the rig changes.

    Attributes:
        drop_probability: Of each camera's being absent from a clip; one always stays.
        turn_rad: Largest turn about each of a camera's axes, both ways.
    """

    drop_probability: float = 0.0
    turn_rad: float = 0.0

    def draw(self, shares: Float[Tensor, "n 4"]) -> "RigChange":
        """The change that belongs to numbers from 0 to 1, four for each camera."""
        present = shares[:, 0] >= self.drop_probability
        present[shares[:, 0].argmax()] = True
        turns = self.turn_rad * (2 * shares[:, 1:] - 1)
        return RigChange(
            () if present.all() else tuple(present.tolist()),
            () if self.turn_rad == 0 else tuple(tuple(turn) for turn in turns.tolist()),
        )


@dataclass(frozen=True)
class RigChange:
    """One change.

    Attributes:
        present: Which cameras there are; empty: all.
        turns_rad: Rotation vector of each camera in its own axes; empty: none is turned.
    """

    present: tuple[bool, ...] = ()
    turns_rad: tuple[tuple[float, ...], ...] = ()

    def apply(self, clip: Clip) -> Clip:
        """Change a clip (b = 1)."""
        if self.turns_rad:
            clip = _turned(clip, torch.tensor(self.turns_rad, dtype=torch.float64))
        return _without(clip, torch.tensor(self.present)) if self.present else clip


def _without(clip: Clip, present: Tensor) -> Clip:
    """The clip without some cameras, as the reader gives absent ones."""
    kept = present.view(1, 1, -1)
    identity = torch.eye(4)
    images = clip.images.clone()
    images[:, :, ~present] = 0
    return replace(
        clip,
        images=images,
        image_present=clip.image_present & kept,
        image_sizes=torch.where(kept[..., None], clip.image_sizes, 0),
        intrinsics=torch.where(kept[..., None, None], clip.intrinsics, identity[:3, :3]),
        ref_from_camera=torch.where(kept[..., None, None], clip.ref_from_camera, identity),
    )


def _turned(clip: Clip, turns_rad: Float[Tensor, "n 3"]) -> Clip:
    camera_from_new = torch.linalg.matrix_exp(_cross(turns_rad))
    images, poses = clip.images.clone(), clip.ref_from_camera.clone()
    n, (h, w) = clip.num_cameras, clip.images.shape[-2:]
    hidden = torch.zeros(1, n, h, w, dtype=torch.bool) if clip.on_body is None else clip.on_body
    hidden = hidden.clone()
    sky = None if clip.in_sky is None else clip.in_sky.clone()
    for k in range(n):
        frames = torch.nonzero(clip.image_present[0, :, k]).flatten().tolist()
        for t in frames:
            size = clip.image_sizes[0, t, k]
            grid, seen = _lookup(clip.intrinsics[0, t, k].double(), camera_from_new[k], size)
            rows, columns = size.tolist()
            picture = images[0, t, k, :, :rows, :columns]
            picture.copy_(_sample(picture, grid, "bilinear") * seen)
            if sky is not None:
                own = sky[0, t, k, :rows, :columns]
                own.copy_(_sample(own[None], grid, "nearest")[0].bool() & seen)
            if t == frames[0]:
                own = hidden[0, k, :rows, :columns]
                own.copy_(_sample(own[None], grid, "nearest")[0].bool())
            hidden[0, k, :rows, :columns] |= ~seen
            turn = torch.eye(4, dtype=torch.float64)
            turn[:3, :3] = camera_from_new[k]
            poses[0, t, k] = (poses[0, t, k].double() @ turn).to(poses.dtype)
    return replace(clip, images=images, ref_from_camera=poses, on_body=hidden, in_sky=sky)


def _lookup(
    intrinsics: Float[Tensor, "3 3"], camera_from_new: Float[Tensor, "3 3"], size_hw: Tensor
) -> tuple[Float[Tensor, "h w 2"], Tensor]:
    """Where each new pixel lay, from -1 to 1 over the picture, and whether it lay in it."""
    rows, columns = size_hw.tolist()
    u = torch.arange(columns, dtype=torch.float64) + 0.5
    v = torch.arange(rows, dtype=torch.float64) + 0.5
    x, y = torch.meshgrid(u, v, indexing="xy")
    pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    warp = intrinsics @ camera_from_new @ torch.linalg.inv(intrinsics)
    old = pixels @ warp.T
    depth = old[..., 2:]
    old = old[..., :2] / depth.clamp(min=1e-6)
    grid = 2 * old / torch.tensor([columns, rows], dtype=torch.float64) - 1
    return grid.float(), (depth[..., 0] > 0) & (grid.abs() <= 1).all(dim=-1)


def _sample(values: Tensor, grid: Float[Tensor, "h w 2"], mode: str) -> Tensor:
    """Values `c h w` at the places of a grid."""
    sampled = torch.nn.functional.grid_sample(
        values[None].float(), grid[None], mode, padding_mode="border", align_corners=False
    )[0]
    return sampled.round().to(values.dtype)


def _cross(vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    """Matrices of the cross product with each vector."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))

"""Do images move as their own camera's calibration says, or rather as another camera's does?

Between two frames of a driven car, a patch of an image moves along a line that calibration and
poses give (the epipolar line), to where its unknown distance puts it. Every distance is tried,
nearest first to infinity, and the best agreement of the patch with the later image is kept. With
the right calibration it is high; a camera that looks elsewhere expects motion in other directions,
and misses. So exchanged images of two cameras are told without LiDAR and without labels.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.check.findings import Findings, Place, Rule
from mim4d.data.clip import Clip
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid
from mim4d.tensors.pixels import unit_colours

MOVED_M = (0.7, 15.0)
"""How far a camera must have moved between two frames, and may have."""
_MAX_PAIRS = 8
_COLUMNS = 160  # images are reduced to so many
_PATCHES = 48
_HALF_PX = 4
_NEAREST_M, _DISTANCES = 2.5, 64


MIN_GAIN, MIN_ERRORS = 0.03, 2.5
"""So much better must the other's calibration explain the images of both cameras, in correlation
and in standard errors. Of clean pairs the worse direction gains nothing (docs/results.md)."""

SWAPPED = Rule(
    "cameras-swapped",
    "warning",
    "images that move as their own camera's calibration says",
    "check which files and which calibration belong to which camera",
)


def judge_swaps(clip: Clip, findings: Findings) -> None:
    """Tell of two cameras whose images move as the other's calibration says."""
    gain, error = motion_gains(clip)
    sure = (gain > MIN_GAIN) & (gain > MIN_ERRORS * error)
    for i, j in torch.nonzero((sure & sure.T).triu()).tolist():
        found = (
            f"images of {clip.camera_names[i]} and {clip.camera_names[j]} move as each other's "
            f"calibration says: correlation {min(gain[i, j], gain[j, i]):.2f} higher than by "
            "their own"
        )
        findings.add(SWAPPED, "calibrated_sensor", Place(found))


def motion_gains(clip: Clip) -> tuple[Float[Tensor, "n n"], Float[Tensor, "n n"]]:
    """How much better camera `i`'s calibration explains how camera `j`'s images move.

    Args:
        clip: Clips of two frames or more. LiDAR is not used.

    Returns:
        Mean gain in correlation of a patch over what camera `j`'s own calibration reaches, and its
        standard error; row `i`, column `j`. NaN where images differ in size or nothing moves.
    """
    count = clip.image_present.shape[-1]
    gains: dict[tuple[int, int], list[Tensor]] = {}
    present = clip.image_present.all(dim=-1) & clip.frame_present
    pairs = torch.nonzero(present[:, 1:] & present[:, :-1]).tolist()
    for b, t in pairs[:: max(1, len(pairs) // _MAX_PAIRS)]:
        for j in range(count):
            own = _agreement(clip, (b, t), j, j)
            for i in range(count):
                same_size = (clip.image_sizes[b, t, i] == clip.image_sizes[b, t, j]).all()
                if i == j or not same_size or own is None:
                    continue
                if (other := _agreement(clip, (b, t), i, j)) is not None:
                    both = own[1] & other[1]
                    gains.setdefault((i, j), []).append((other[0] - own[0])[both])
    mean, error = (torch.full((count, count), torch.nan) for _ in range(2))
    for (i, j), parts in gains.items():
        all_ = torch.cat(parts)
        mean[i, j], error[i, j] = all_.mean(), all_.std() / max(len(all_), 1) ** 0.5
    return mean, error


def _agreement(
    clip: Clip, at: tuple[int, int], i: int, j: int
) -> tuple[Float[Tensor, " p"], Bool[Tensor, " p"]] | None:
    """Best correlation of patches of `j`'s image with its next one, by camera `i`'s calibration.

    Returns:
        Correlation of each patch, and whether some distance puts it into the next image; None if
        the camera has not moved enough, or too far.
    """
    b, t = at
    next_from_now = invert_rigid(clip.ref_from_camera[b, t + 1, i]) @ clip.ref_from_camera[b, t, i]
    if not MOVED_M[0] < float(next_from_now[:3, 3].norm()) < MOVED_M[1]:
        return None
    height, width = clip.image_sizes[b, t, j].tolist()
    factor = min(1.0, _COLUMNS / width)
    now, after = (_small(clip.images[b, t + k, j, :, :height, :width], factor) for k in range(2))
    intrinsics = clip.intrinsics[b, t, i].clone()
    intrinsics[:2] *= factor
    pixels = _patches(now)
    rays = F.pad(pixels, (0, 1), value=1.0) @ torch.linalg.inv(intrinsics).T
    inverse_m = torch.linspace(0, 1 / _NEAREST_M, _DISTANCES)[:, None, None, None]
    # A point at distance 1 / q along a ray lies, times q, at R ray + q t.
    turned = rays @ next_from_now[:3, :3].T + inverse_m * next_from_now[:3, 3]
    moved, depth = project(intrinsics, turned)
    limit = moved.new_tensor([after.shape[1], after.shape[0]])
    inside = ((depth > 0.05) & (moved > 0).all(dim=-1) & (moved < limit).all(dim=-1)).all(dim=-1)
    seen = _sample(after, moved.flatten(0, 1)).reshape(moved.shape[:-1])
    fit = _correlation(_sample(now, pixels), seen).masked_fill(~inside, -1.0)
    return fit.amax(dim=0), inside.any(dim=0)


def _small(image: Float[Tensor, "3 h w"] | Tensor, factor: float) -> Float[Tensor, "y x"]:
    """Brightness, reduced and a little smoothed."""
    grey = unit_colours(image).mean(dim=0)[None, None]
    if factor < 1:
        grey = F.interpolate(grey, scale_factor=factor, mode="area")
    return F.avg_pool2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), 3, stride=1)[0, 0]


def _patches(image: Float[Tensor, "y x"]) -> Float[Tensor, "p q 2"]:
    """Pixels of the patches of a lattice with most structure."""
    height, width = image.shape
    change = torch.zeros_like(image)
    change[:, 1:-1] += (image[:, 2:] - image[:, :-2]).abs()
    change[1:-1] += (image[2:] - image[:-2]).abs()
    change = F.avg_pool2d(change[None, None], 2 * _HALF_PX + 1, 1, _HALF_PX)[0, 0]
    rim = _HALF_PX + 2
    rows = torch.arange(rim, height - rim, max(4, height // 12))
    columns = torch.arange(rim, width - rim, max(4, width // 20))
    v, u = (axis.reshape(-1) for axis in torch.meshgrid(rows, columns, indexing="ij"))
    best = change[v, u].argsort(descending=True)[:_PATCHES]
    middles = torch.stack([u[best], v[best]], dim=-1) + 0.5
    offset = torch.arange(-_HALF_PX, _HALF_PX + 1.0)
    y, x = torch.meshgrid(offset, offset, indexing="ij")
    return middles[:, None] + torch.stack([x, y], dim=-1).reshape(-1, 2)


def _sample(image: Float[Tensor, "y x"], pixels: Float[Tensor, "*b 2"]) -> Float[Tensor, "*b"]:
    unit = pixels * 2 / pixels.new_tensor([image.shape[1], image.shape[0]]) - 1
    flat = unit.reshape(1, 1, -1, 2)
    return F.grid_sample(image[None, None], flat, align_corners=False).reshape(pixels.shape[:-1])


def _correlation(a: Float[Tensor, "p q"], b: Float[Tensor, "d p q"]) -> Float[Tensor, "d p"]:
    a, b = a - a.mean(dim=-1, keepdim=True), b - b.mean(dim=-1, keepdim=True)
    size = a.norm(dim=-1) * b.norm(dim=-1)
    return (a * b).sum(dim=-1) / size.clamp(min=1e-3)

"""Do images move as their own camera's calibration says, or rather as another camera's does?

Between two frames of a driven car, a patch of an image moves along a line that calibration and
poses give (the epipolar line), to where its unknown distance puts it. Every distance is tried,
nearest first to infinity, and the best agreement of the patch with the later image is kept. With
the right calibration it is high; a camera that looks elsewhere expects motion in other directions,
and misses. So exchanged images of two cameras are told without LiDAR and without labels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.check.findings import Findings, Place, Rule
from mim4d.data.clip import Clip
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
"""So much better must each other's calibration explain the images of two cameras, on average of
both, in correlation and in standard errors. In the trials of docs/results.md clean pairs have at
most -0.036, exchanged ones at least 0.09."""
MAX_LOSS = 0.05
"""And the images of neither may fit so much worse: then one calibration is wrong, none exchanged.
Ahead a street looks like itself made smaller, so that the images of a front camera say little."""

SWAPPED = Rule(
    "cameras-swapped",
    "warning",
    "images that move as their own camera's calibration says",
    "check which files and which calibration belong to which camera",
)


def judge_swaps(clip: Clip, findings: Findings) -> None:
    """Tell of two cameras whose images move as the other's calibration says."""
    gain, error = motion_gains(clip)
    both, both_error = (gain + gain.T) / 2, torch.hypot(error, error.T) / 2
    sure = (both > MIN_GAIN) & (both > MIN_ERRORS * both_error)
    sure &= torch.minimum(gain, gain.T) > -MAX_LOSS
    for i, j in torch.nonzero(sure.triu()).tolist():
        found = (
            f"images of {clip.camera_names[i]} and {clip.camera_names[j]} move as each other's "
            f"calibration says: correlation {both[i, j]:.2f} higher than by their own"
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
        motions = {i: _Motion.of(clip, b, t, i) for i in range(count)}
        known = {i: motion for i, motion in motions.items() if motion is not None}
        for j, own_motion in known.items():
            seen = _Seen.of(clip, b, t, j)
            own = seen.agreement(own_motion)
            for i, other_motion in known.items():
                same_size = (clip.image_sizes[b, t, i] == clip.image_sizes[b, t, j]).all()
                if i == j or not same_size:
                    continue
                other = seen.agreement(other_motion)
                both = own[1] & other[1]
                gains.setdefault((i, j), []).append((other[0] - own[0])[both])
    mean, error = (torch.full((count, count), torch.nan) for _ in range(2))
    for (i, j), parts in gains.items():
        all_ = torch.cat(parts)
        mean[i, j], error[i, j] = all_.mean(), all_.std() / max(len(all_), 1) ** 0.5
    return mean, error


@dataclass(frozen=True)
class _Motion:
    """Where camera `i`'s calibration and poses put a pixel in its next image.

    Attributes:
        turned: From homogeneous pixels to homogeneous pixels of the next image, at infinity.
        shift: Is added to that for each unit of inverse distance (1 / m) along the ray.
    """

    turned: Float[Tensor, "3 3"]
    shift: Float[Tensor, " 3"]

    @classmethod
    def of(cls, clip: Clip, b: int, t: int, i: int) -> "_Motion | None":
        """Pixels of reduced images; None if the camera has not moved enough, or too far."""
        poses = clip.ref_from_camera[b, t : t + 2, i]
        next_from_now = invert_rigid(poses[1]) @ poses[0]
        if not MOVED_M[0] < float(next_from_now[:3, 3].norm()) < MOVED_M[1]:
            return None
        intrinsics = clip.intrinsics[b, t, i].clone()
        intrinsics[:2] *= _reduction(clip, b, t, i)
        turned = intrinsics @ next_from_now[:3, :3] @ torch.linalg.inv(intrinsics)
        return cls(turned, intrinsics @ next_from_now[:3, 3])


@dataclass(frozen=True)
class _Seen:
    """Patches of an image and the next image of the same camera.

    Attributes:
        pixels: Of each patch.
        values: Brightness there.
        after: The next image.
    """

    pixels: Float[Tensor, "p q 2"]
    values: Float[Tensor, "p q"]
    after: Float[Tensor, "y x"]

    @classmethod
    def of(cls, clip: Clip, b: int, t: int, j: int) -> "_Seen":
        """Both images, reduced."""
        height, width = clip.image_sizes[b, t, j].tolist()
        factor = _reduction(clip, b, t, j)
        now, after = (
            _small(clip.images[b, t + k, j, :, :height, :width], factor) for k in range(2)
        )
        pixels = _patches(now)
        return cls(pixels, _sample(now, pixels), after)

    def agreement(self, motion: _Motion) -> tuple[Float[Tensor, " p"], Bool[Tensor, " p"]]:
        """Best correlation of each patch with the next image, over all distances.

        Returns:
            Correlation of each patch, and whether some distance puts it into the next image.
        """
        inverse_m = torch.linspace(0, 1 / _NEAREST_M, _DISTANCES)[:, None, None, None]
        # A point at distance 1 / q along a ray lies, times q, at R ray + q t.
        far = F.pad(self.pixels, (0, 1), value=1.0) @ motion.turned.T
        u, v, depth = (far + inverse_m * motion.shift).unbind(dim=-1)
        height, width = self.after.shape
        u, v = u / depth.clamp(min=1e-6), v / depth.clamp(min=1e-6)
        inside = (depth > 0.05) & (u > 0) & (u < width) & (v > 0) & (v < height)
        inside, moved = inside.all(dim=-1), torch.stack([u, v], dim=-1)
        seen = _sample(self.after, moved.flatten(0, 1)).reshape(moved.shape[:-1])
        fit = _correlation(self.values, seen).masked_fill(~inside, -1.0)
        return fit.amax(dim=0), inside.any(dim=0)


def _reduction(clip: Clip, b: int, t: int, i: int) -> float:
    return min(1.0, _COLUMNS / float(clip.image_sizes[b, t, i, 1]))


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
    offset = torch.arange(-_HALF_PX, _HALF_PX + 1.0, 2)  # smoothed: every second pixel says it all
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

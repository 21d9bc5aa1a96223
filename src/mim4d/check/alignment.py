"""Do LiDAR and images fit together? The rotation of the cameras at which their edges agree best.

Where two neighbouring LiDAR points differ much in depth, an object ends, and the image should have
an edge between them. The mean image gradient at those places is measured while all cameras are
turned a little about their own y axis (yaw) or x axis (pitch). With a right calibration the peak is
at zero. What enters is a clip with points; what leaves are two angles in degrees.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.errors import DataError
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.tensors.pixels import unit_colours

# One keyframe of a 32-beam LiDAR has a few hundred; its peak wanders by more than half a degree.
_MIN_EDGES = 2000


@dataclass(frozen=True)
class Alignment:
    """Where edges agree best.

    Attributes:
        yaw_deg: Turn of the cameras to the right (about their y axis) that fits best, degrees.
        pitch_deg: Turn upwards (about their x axis), degrees.
        yaw_contrast: Score at the peak over the mean score; 1 means that there is no peak.
        pitch_contrast: The same for pitch.
        num_edges: Depth edges that were used.
    """

    yaw_deg: float
    pitch_deg: float
    yaw_contrast: float
    pitch_contrast: float
    num_edges: int


def alignment_offset(clip: Clip, max_deg: float = 1.5, step_deg: float = 0.1) -> Alignment:
    """Measure the common rotation error of all cameras of all frames of a clip.

    Args:
        clip: Clips with LiDAR. Images of 500 columns or more resolve about 0.1 degrees.
        max_deg: Largest rotation tried, both ways.
        step_deg: Step between rotations; the peak between steps is that of a parabola.

    Raises:
        DataError: If there are too few depth edges in view to say anything.
    """
    angles = np.linspace(-max_deg, max_deg, 2 * round(max_deg / step_deg) + 1)
    totals = {axis: np.zeros(len(angles)) for axis in ("yaw", "pitch")}
    count = {axis: 0 for axis in totals}
    for b, t, n in torch.nonzero(clip.image_present & clip.frame_present[..., None]).tolist():
        height, width = clip.image_sizes[b, t, n].tolist()
        image = unit_colours(clip.images[b, t, n, :, :height, :width])
        points_ref = clip.points_ref[b, t][clip.valid_points[b, t]]
        intrinsics = clip.intrinsics[b, t, n]
        camera_from_ref = invert_rigid(clip.ref_from_camera[b, t, n])
        points_camera = transform_points(camera_from_ref, points_ref)
        for axis in totals:
            edges = depth_edges(intrinsics, points_camera, (height, width), axis == "yaw")
            gradient = _gradient(image, axis == "yaw")
            totals[axis] += [
                _score(gradient, intrinsics, edges, axis, float(angle)) for angle in angles
            ]
            count[axis] += len(edges)
    fewest = min(count.values())
    if fewest < _MIN_EDGES:
        raise DataError(
            f"clip of {', '.join(clip.scene_names)}: only {fewest} depth edges in view, "
            f"need {_MIN_EDGES} to compare LiDAR with images; "
            "choose a clip with LiDAR and objects, or more frames"
        )
    yaw, pitch = (_peak(angles, totals[axis]) for axis in ("yaw", "pitch"))
    return Alignment(yaw[0], pitch[0], yaw[1], pitch[1], sum(count.values()))


def depth_edges(
    intrinsics: Float[Tensor, "3 3"],
    points_camera: Float[Tensor, "p 3"],
    image_hw: tuple[int, int],
    horizontal: bool,
    band_deg: float = 0.15,
) -> Float[Tensor, "r 2"]:
    """Pixels midway between neighbouring points of which one lies far behind the other.

    Points are sorted into narrow bands of rows (`horizontal`) or columns of the image, and compared
    with the next of their band. It is an edge if the farther depth exceeds the nearer by 20 % and
    1 m. The gap is at most 0.8 degrees along a beam and 1.6 between beams (nuScenes' lie 1.33
    apart).
    """
    max_gap_deg = 0.8 if horizontal else 1.6
    # A mirrored image has a negative fx.
    px_per_deg = math.radians(1) * abs(float(intrinsics[0, 0]))
    pixels, depth = project(intrinsics, points_camera)
    limit = pixels.new_tensor([image_hw[1], image_hw[0]])
    inside = (depth > 2.0) & (pixels >= 0).all(dim=-1) & (pixels < limit).all(dim=-1)
    pixels, depth = pixels[inside], depth[inside]
    along, across = (0, 1) if horizontal else (1, 0)
    band = (pixels[:, across] / (band_deg * px_per_deg)).floor()
    # In float64: float32 would round the position within a band to several pixels.
    order = torch.argsort(band.double() * 1e5 + pixels[:, along])
    pixels, depth, band = pixels[order], depth[order], band[order]
    near, far = torch.minimum(depth[1:], depth[:-1]), torch.maximum(depth[1:], depth[:-1])
    gap = pixels[1:, along] - pixels[:-1, along]
    is_edge = (band[1:] == band[:-1]) & (gap < max_gap_deg * px_per_deg) & (far > 1.2 * near + 1.0)
    return (pixels[1:][is_edge] + pixels[:-1][is_edge]) / 2


def _gradient(image: Float[Tensor, "3 h w"], horizontal: bool) -> Float[Tensor, "h w"]:
    """Smoothed gradient of the image's brightness along rows or columns, capped and scaled to 1."""
    smooth = F.avg_pool2d(image.mean(dim=0)[None, None], 3, stride=1, padding=1)[0, 0]
    size = smooth.shape
    difference = torch.zeros(size)
    if horizontal:
        difference[:, 1:-1] = (smooth[:, 2:] - smooth[:, :-2]).abs()
    else:
        difference[1:-1] = (smooth[2:] - smooth[:-2]).abs()
    # Few very strong edges (signs, sky) must not outvote the rest.
    cap = difference.mean().clamp(min=1e-6) * 4
    return difference.clamp(max=float(cap)) / cap


def _score(
    gradient: Float[Tensor, "h w"],
    intrinsics: Float[Tensor, "3 3"],
    pixels: Float[Tensor, "r 2"],
    axis: str,
    angle_deg: float,
) -> float:
    """Sum of gradients where the edges would lie, were the camera turned by the angle."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turned_from_camera = (
        torch.tensor([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        if axis == "yaw"
        else torch.tensor([[1, 0, 0], [0, c, s], [0, -s, c]])
    ).float()
    homography = intrinsics @ turned_from_camera @ torch.linalg.inv(intrinsics)
    turned, _ = project(homography, F.pad(pixels, (0, 1), value=1.0))
    height, width = gradient.shape
    unit = turned * 2 / turned.new_tensor([width, height]) - 1
    sampled = F.grid_sample(
        gradient[None, None], unit[None, None], padding_mode="border", align_corners=False
    )
    return float(sampled.sum())


def _peak(angles: NDArray[np.float64], score: NDArray[np.float64]) -> tuple[float, float]:
    """Angle of the peak between steps, and the peak over the mean score.

    The score is smoothed over two steps either way: few edges make it ragged.
    """
    kernel = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    weight = np.convolve(np.ones(len(score)), kernel, mode="same")
    smooth = np.convolve(score, kernel, mode="same") / weight
    best = int(np.clip(smooth.argmax(), 1, len(score) - 2))
    left, middle, right = smooth[best - 1 : best + 2]
    curvature = left - 2 * middle + right
    shift = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    step = angles[1] - angles[0]
    return float(angles[best] + shift * step), float(middle / max(score.mean(), 1e-12))

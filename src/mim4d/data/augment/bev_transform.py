"""A turn, scale or mirror of the whole world as seen from above, with everything a clip holds.

The similarity M = s·A, with A = R(yaw)·diag(±1, ±1, 1), acts about the origin of every frame that
a clip knows. Points move by p' = s·A·p in `ref` and in the `ego` frame of every other time alike:

    ref'_from_ego' = M · ref_from_ego · M⁻¹ = [[A·R·Aᵀ, s·A·t], [0, 1]]

Cameras move with the world and see what they saw, because a pinhole is blind to a common scale. A
mirror (det A = −1) would leave camera axes left-handed, so the camera's x axis is mirrored too,
F = diag(det A, 1, 1), and the sign of fx with it:

    ref'_from_camera' = [[A·R·F, s·A·t], [0, 1]],   K' = K·F

Then a point in camera axes becomes s·F·p, and K'·(s·F·p) = s·K·p: the same pixel at s times the
depth. All poses stay proper rotations. Boxes keep their shape: centre and velocity move by s·A,
sides by s, and the heading by A. The map moves by M.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.geometry.rigid import apply_linear, rotation_from_yaw


@dataclass(frozen=True)
class BevTransform:
    """One similarity of the world; the defaults change nothing. Mirrors come before the turn.

    Attributes:
        yaw_rad: Turn about +z, counter-clockwise seen from above.
        scale: Factor on every length.
        flip_x: Whether front and back are exchanged, x → −x.
        flip_y: Whether left and right are exchanged, y → −y.

    Raises:
        ValueError: If the scale is not a positive number.
    """

    yaw_rad: float = 0.0
    scale: float = 1.0
    flip_x: bool = False
    flip_y: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale seen from above is {self.scale}; expected a positive number")

    @property
    def linear(self) -> Float64[Tensor, "3 3"]:
        """A: orthogonal, with determinant −1 if it mirrors."""
        signs = [-1.0 if self.flip_x else 1.0, -1.0 if self.flip_y else 1.0, 1.0]
        yaw = torch.tensor(self.yaw_rad, dtype=torch.float64)
        return rotation_from_yaw(yaw) * torch.tensor(signs, dtype=torch.float64)

    @property
    def new_from_ref(self) -> Float64[Tensor, "4 4"]:
        """M as a matrix: not rigid, for points and maps only."""
        matrix = torch.eye(4, dtype=torch.float64)
        matrix[:3, :3] = self.scale * self.linear
        return matrix

    @property
    def map_reach(self) -> float:
        """How much farther than the shown rectangle's corner the old map must be known."""
        return 1.001 * max(1.0, 1 / self.scale)

    def apply(self, clip: Clip) -> Clip:
        """The clip in the changed world; images and times are those of `clip`."""
        if self == BevTransform():
            return clip
        mirror = torch.ones(3, dtype=torch.float64)
        mirror[0] = -1.0 if self.flip_x != self.flip_y else 1.0
        present = clip.image_present
        changed: dict[str, Any] = {
            "points_ref": self._move(clip.points_ref),
            "boxes_ref": self._move_boxes(clip.boxes_ref, clip.valid_boxes),
            "ref_from_ego": self._move_poses(clip.ref_from_ego, self.linear.T),
            "ref_from_camera": _where(
                present,
                self._move_poses(clip.ref_from_camera, torch.diag(mirror)),
                clip.ref_from_camera,
            ),
            "intrinsics": _where(present, clip.intrinsics * mirror.float(), clip.intrinsics),
        }
        if clip.maps is not None:
            changed["maps"] = tuple(patch.transformed(self.new_from_ref) for patch in clip.maps)
        if clip.surfaces is not None:
            moved = (surface.transformed(self.new_from_ref) for surface in clip.surfaces)
            changed["surfaces"] = tuple(moved)
        if clip.given_depths is not None:
            changed["given_depths"] = self.scale * clip.given_depths
        return replace(clip, **changed)

    def _move(self, vectors: Float[Tensor, "b t p 3"]) -> Float[Tensor, "b t p 3"]:
        """Points, displacements or velocities: s·A·p."""
        return apply_linear((self.scale * self.linear).to(vectors), vectors)

    def _move_poses(
        self, poses: Float[Tensor, "*m 4 4"], right: Float64[Tensor, "3 3"]
    ) -> Float[Tensor, "*m 4 4"]:
        """[[A·R·right, s·A·t], [0, 1]]; a pose that is the identity of an ego frame stays it."""
        moved = poses.double().clone()
        moved[..., :3, :3] = self.linear @ moved[..., :3, :3] @ right
        moved[..., :3, 3] = moved[..., :3, 3] @ (self.scale * self.linear).T
        # A·Aᵀ is the identity but for rounding; the key frame's own pose is exactly that.
        near_identity = (moved - torch.eye(4, dtype=moved.dtype)).abs().amax(dim=(-1, -2)) < 1e-12
        return _where(near_identity, torch.eye(4).expand_as(poses), moved.to(poses))

    def _move_boxes(
        self, boxes: Float[Tensor, "b t k 9"], valid: Bool[Tensor, "b t k"]
    ) -> Float[Tensor, "b t k 9"]:
        """Centre, size, heading and velocity; what is padded stays 0."""
        yaw, zero = boxes[..., 6], torch.zeros_like(boxes[..., 6])
        heading = self._move(torch.stack([yaw.cos(), yaw.sin(), zero], dim=-1))
        velocity = self._move(torch.cat([boxes[..., 7:9], zero.unsqueeze(-1)], dim=-1))
        moved = [
            self._move(boxes[..., :3]),
            self.scale * boxes[..., 3:6],
            torch.atan2(heading[..., 1], heading[..., 0]).unsqueeze(-1),
            velocity[..., :2],
        ]
        return torch.where(valid.unsqueeze(-1), torch.cat(moved, dim=-1), boxes)


def _where(
    condition: Bool[Tensor, "*m"], yes: Float[Tensor, "*m i j"], no: Float[Tensor, "*m i j"]
) -> Float[Tensor, "*m i j"]:
    return torch.where(condition[..., None, None], yes, no)

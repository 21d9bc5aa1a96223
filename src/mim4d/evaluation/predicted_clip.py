"""What a model says about a clip without any truth: distances, what is solid, what moves, points.

Everything is of the rendered frame, in its ego axes (x forward, y left, z up, origin
on the road), and leaves on the CPU. Metres, metres per second.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from safetensors.torch import save
from torch import Tensor

from mim4d.data.clip import Clip, ego_from_camera
from mim4d.evaluation.predict import RenderedFrame, frame_volumes, render_frame
from mim4d.evaluation.view import EvaluatedView
from mim4d.files import write_bytes
from mim4d.pretraining.model import MaskedVideoModel

_OPEN_M = 0.5
"""Rays that end so near to where they leave the grid have met nothing."""


@dataclass(frozen=True)
class PredictedClip:
    """A prediction.

    Attributes:
        clip: One clip (b = 1).
        frame: The frame that is rendered.
        seen: Its colours and distances.
        shown: Rays that exist, cross the grid and do not end on the car itself.
        sdf_m: Signed distance to the nearest surface at each voxel's centre; negative inside.
        velocities_mps: Of each voxel; None where the model finds none.
        points_ego: Where rays meet something.
        point_colours: What the images show there.
    """

    clip: Clip
    frame: int
    seen: RenderedFrame
    shown: Bool[Tensor, "n h w"]
    sdf_m: Float[Tensor, "z y x"]
    velocities_mps: Float[Tensor, "3 z y x"] | None
    points_ego: Float[Tensor, "p 3"]
    point_colours: UInt8[Tensor, "p 3"]

    @property
    def occupied(self) -> Bool[Tensor, "z y x"]:
        """Voxels whose centre lies inside of something."""
        return self.sdf_m < 0

    def arrays(self) -> dict[str, Tensor]:
        """Everything as named arrays; poses and intrinsics are those of the images."""
        t = self.frame
        found = {
            "distance_m": torch.where(self.shown, self.seen.distances_m.float(), torch.nan),
            "colour": self.seen.colours.float(),
            "sdf_m": self.sdf_m.float(),
            "occupied": self.occupied,
            "ego_from_camera": ego_from_camera(self.clip)[0, t],
            "intrinsics": self.clip.intrinsics[0, t],
            "image_sizes": self.clip.image_sizes[0, t],
        }
        if self.velocities_mps is not None:
            found["velocity_mps"] = self.velocities_mps.float()
        return {name: values.contiguous() for name, values in found.items()}

    def save_arrays(self, path: Path) -> None:
        """Write them as safetensors; the names of the cameras stand in the file's head."""
        head = {"cameras": " ".join(self.clip.camera_names), "axes": "ego: x forward, y left, z up"}
        write_bytes(path, save(self.arrays(), head))

    def save_points(self, path: Path) -> None:
        """Write the coloured points as a binary .ply file."""
        write_bytes(path, ply(self.points_ego.numpy(), self.point_colours.numpy()))


@torch.no_grad()
def predict_clip(
    model: MaskedVideoModel, clip: Clip, view: EvaluatedView, accelerator: str
) -> PredictedClip:
    """Predict one frame of a clip from its own images.

    Args:
        model: In evaluation mode, on the accelerator.
        clip: One clip (b = 1), on the CPU.
        view: The frame and the rays.
        accelerator: Where to compute.
    """
    moved = clip.to(accelerator)
    volumes = frame_volumes(model, moved, view.frame)
    seen = render_frame(model.renderer, volumes.direct, moved, view)
    centres = view.grid.centres_ego.to(volumes.direct.device)
    sdf = model.renderer.field.sdf(volumes.direct, centres.flatten(0, 1)[None])[0]
    shown = view.shown(clip)
    rays = view.rays(clip)
    distances = seen.distances_m.flatten()
    hit = shown.flatten() & (distances < rays.far[0] - _OPEN_M)
    points = rays.origins[0] + rays.directions[0] * distances[:, None]
    colours = (view.colours(clip).flatten(0, 2) * 255).round().byte()
    flow = volumes.scene_flow
    return PredictedClip(
        clip=clip,
        frame=view.frame,
        seen=seen,
        shown=shown,
        sdf_m=sdf.unflatten(0, centres.shape[:2]).cpu(),
        velocities_mps=None if flow is None else flow[0].cpu(),
        points_ego=points[hit],
        point_colours=colours[hit],
    )


def ply(points: Float[np.ndarray, "p 3"], colours: UInt8[np.ndarray, "p 3"]) -> bytes:
    """Coloured points as a binary .ply file."""
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    paints = "".join(f"property uchar {paint}\n" for paint in ("red", "green", "blue"))
    header = f"element vertex {len(points)}\n{axes}{paints}end_header\n"
    rows = np.empty(len(points), [("place", "<f4", 3), ("colour", "u1", 3)])
    rows["place"], rows["colour"] = points, colours
    return f"ply\nformat binary_little_endian 1.0\n{header}".encode() + rows.tobytes()

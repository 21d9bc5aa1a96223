"""Scene flow found in volumes that are made from the embedded world's truth.

The question is whether the flow estimator can find motion where nothing else is in doubt. Every
source's volume is filled as the model's own lifting fills it, with exact distances in the place of
estimated ones: points of a voxel are projected into each camera and get the pixel's class code and
colour, fading with the difference between the point's distance and the pixel's. So nothing tells
two objects of one class and colour apart, what no camera sees is empty, and objects move between
the exposures of the cameras. The middle frame of each clip is dropped, its flow is estimated from
the others, and compared with the exact flow of the voxels in which the middle frame sees moving
objects (of one to four voxels between frames at the demo's grid and 2 Hz). The estimator has
learned nothing: its descriptors are a random orthonormal map.

    python benchmarks/oracle_flow.py --data WORLD [--scenes val] [--clips 24] [--noise 0.05]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mim4d.build.trunk import build_grid
from mim4d.config.presets import preset
from mim4d.data.clip import Clip, ego_from_camera
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.data.truth.exact import read_distance, read_instances, read_motion, read_scene_flow
from mim4d.data.truth.scene_motion import SceneMotion
from mim4d.geometry.camera import project
from mim4d.geometry.rigid import compose, invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.metrics.moving_flow import MovingFlow
from mim4d.temporal.scene_flow import FlowSearch, SceneFlow
from mim4d.temporal.sources import Sources
from mim4d.temporal.warp import warp_volume

CHANNELS, CLASS_CODE, IMAGE_HW, TARGET = 16, 8, (96, 160), 1
SOFTNESS_M, POINTS_PER_SIDE = 0.7, 3
LIMITS_M = (20, 30)
SPEEDS_M_S = (8 / 3, 32 / 3)
"""One to four voxels of 4/3 m in half a second."""
MIN_POINTS, MOVING_M_S = 4, 0.5
"""A voxel has a true flow if so many points of moving objects lie in it."""


@dataclass(frozen=True)
class View:
    """What one camera sees at one frame, by pixel.

    Attributes:
        ego_from_camera: Into the frame's ego axes.
        intrinsics: Pixels.
        distance: Metres; 0 where nothing is hit, `h w`.
        colours: In [0, 1], `h w 3`.
        classes: 0 for everything that is no object, `h w`.
        instances: 0 for none, `h w`.
        velocities: m/s along the frame's ego axes, `h w 3`.
    """

    ego_from_camera: Tensor
    intrinsics: Tensor
    distance: Tensor
    colours: Tensor
    classes: Tensor
    instances: Tensor
    velocities: Tensor

    def points_ego(self) -> Tensor:
        """The point of each pixel that hits something, `p 3`."""
        h, w = IMAGE_HW
        v, u = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
        rays = torch.stack([u, v, torch.ones(h, w)], dim=-1) @ torch.linalg.inv(self.intrinsics).T
        points = rays / rays.norm(dim=-1, keepdim=True) * self.distance.unsqueeze(-1)
        return transform_points(self.ego_from_camera, points[self.distance > 0])


@dataclass(frozen=True)
class OracleClip:
    """One clip with its middle frame dropped, batch axis included.

    Attributes:
        warped: Source volumes on the target's voxels, `1 s c z y x`.
        valid: Where they have a value, `1 s z y x`.
        dt_s: Source time minus target time, `1 s`.
        truth: Mean true velocity of each target voxel, `3 z y x`.
        moving: Voxels in which moving objects are seen, `z y x`.
        instances: The one seen most, `z y x`.
        seen: Voxels in which anything is seen, `z y x`.
    """

    warped: Tensor
    valid: Tensor
    dt_s: Tensor
    truth: Tensor
    moving: Tensor
    instances: Tensor
    seen: Tensor


def points_in_voxels(grid: VoxelGrid) -> Tensor:
    """A lattice of points in every voxel, ego axes, voxel by voxel."""
    inner = (torch.arange(POINTS_PER_SIDE) + 0.5) / POINTS_PER_SIDE - 0.5
    offsets = torch.cartesian_prod(inner, inner, inner) * torch.tensor(grid.voxel_size_m)
    return (grid.centres_ego.reshape(-1, 1, 3) + offsets).reshape(-1, 3)


class Oracle:
    """Clips of a split of the embedded world, with volumes made from its truth.

    Args:
        data: The world.
        scenes: Split.
        grid: Voxels.
        noise: Standard deviation of a factor on each distance, drawn once per object and frame.
        interval_s: Time between the frames; None: consecutive keyframes.
    """

    def __init__(
        self, data: Path, scenes: str, grid: VoxelGrid, noise: float, interval_s: float | None
    ) -> None:
        self.grid, self.noise = grid, noise
        self.dataset = NuscenesDataset(
            data,
            frames=3,
            frame_interval_s=interval_s,
            image_hw=IMAGE_HW,
            scenes=SceneChoice(scenes),
        )
        self.tables = self.dataset.tables
        files = self.tables.column("sample_data", "filename")
        self.row_of_file = {name.decode(): row for row, name in enumerate(files)}
        names = [self.tables.scene(i).name for i in range(len(self.tables.scene_names))]
        self.scene_of_name = {name: i for i, name in enumerate(names)}
        self.draws = torch.Generator().manual_seed(0)
        # One fixed code per class, and a fixed mixture of occupancy, colour and code.
        self.codes = torch.randn(64, CLASS_CODE, generator=self.draws) / CLASS_CODE**0.5
        self.mixture = torch.randn(4 + CLASS_CODE, CHANNELS, generator=self.draws) / 2
        self.categories: dict[str, int] = {}
        self.motions: dict[str, SceneMotion] = {}
        self.points = points_in_voxels(grid)
        self.points_per_voxel = POINTS_PER_SIDE**3

    def clips(self, limit: int) -> Iterator[OracleClip]:
        """At most so many clips, spread evenly."""
        count = len(self.dataset)
        for index in np.unique(np.linspace(0, count - 1, min(limit, count)).astype(int)):
            yield self.clip(int(index))

    def clip(self, index: int) -> OracleClip:
        clip = self.dataset[index]
        frames = [self.look(index, clip, t) for t in range(clip.num_frames)]
        sources = [t for t in range(clip.num_frames) if t != TARGET]
        volumes = torch.stack([self.volume(frames[t]) for t in sources])
        ref_from_ego = clip.ref_from_ego[0]
        motion = compose(
            invert_rigid(ref_from_ego[sources]), ref_from_ego[TARGET].expand(len(sources), 4, 4)
        )
        warped, valid = warp_volume(volumes, motion, self.grid)
        times = clip.frame_times_s[0]
        dt_s = times[sources] - times[TARGET]
        return OracleClip(warped[None], valid[None], dt_s[None], *self.truth(frames[TARGET]))

    def look(self, index: int, clip: Clip, frame: int) -> list[View]:
        """What each camera of a frame sees."""
        files = self.dataset.image_files(index)[frame]
        return [self._view(index, clip, frame, n, file) for n, file in enumerate(files) if file]

    def _view(self, index: int, clip: Clip, frame: int, camera: int, file: str) -> View:
        row = self.row_of_file[file]
        motion = self._motion(self.dataset.scene_name(index))
        ego_from_cam = ego_from_camera(clip)[0, frame, camera]
        rows = np.array([row])
        global_from_cam = (self.tables.global_from_ego(rows) @ self.tables.ego_from_sensor(rows))[0]
        ego_from_global = ego_from_cam.double() @ torch.linalg.inv(global_from_cam)
        root, shown = self.tables.root, self.dataset.shown_box
        instances = read_instances(root, Path(file), IMAGE_HW, shown)
        flow, _ = read_scene_flow(self.tables, row, motion, IMAGE_HW, ego_from_global, shown)
        distance = read_distance(root, Path(file), IMAGE_HW, shown)
        return View(
            ego_from_cam,
            clip.intrinsics[0, frame, camera],
            distance,
            clip.images[0, frame, camera].movedim(0, -1) / 255,
            self._classes(motion.categories, instances),
            instances,
            flow,
        )

    def _motion(self, scene: str) -> SceneMotion:
        if scene not in self.motions:
            self.motions[scene] = read_motion(self.tables, self.scene_of_name[scene])
        return self.motions[scene]

    def _classes(self, categories: np.ndarray, instances: Tensor) -> Tensor:
        number = [0] + [
            self.categories.setdefault(str(name), 1 + len(self.categories)) for name in categories
        ]
        return torch.tensor(number)[instances]

    def _factors(self, instances: Tensor) -> Tensor:
        """One factor on distance per object of an image; everything else is one object."""
        drawn = torch.randn(int(instances.max()) + 1, generator=self.draws)
        return 1 + self.noise * drawn[instances]

    def volume(self, views: list[View]) -> Tensor:
        """Mean over the points of each voxel and the cameras that see them, `c z y x`."""
        total = torch.zeros(len(self.points), 1 + 3 + CLASS_CODE)
        count = torch.zeros(len(self.points))
        for view in views:
            points_camera = transform_points(invert_rigid(view.ego_from_camera), self.points)
            pixels, depth = project(view.intrinsics, points_camera)
            u, v = pixels.floor().long().unbind(-1)
            h, w = IMAGE_HW
            inside = (depth > 0.1) & (u >= 0) & (u < w) & (v >= 0) & (v < h)
            at = v[inside], u[inside]
            distance = (view.distance * self._factors(view.instances))[at]
            away = points_camera[inside].norm(dim=-1) - distance
            hit = distance > 0
            share = (-0.5 * (away / SOFTNESS_M).square()).exp() * hit
            code = self.codes[view.classes[at]]
            values = torch.cat([torch.ones(len(code), 1), view.colours[at] - 0.5, code], dim=-1)
            total[inside] += values * share.unsqueeze(-1)
            count[inside] += 1
        mean = total / count.clamp(min=1).unsqueeze(-1)
        voxels = mean.unflatten(0, (-1, self.points_per_voxel)).mean(dim=1) @ self.mixture
        return voxels.T.unflatten(-1, self.grid.shape_zyx)

    def truth(self, views: list[View]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean velocity of moving points, where there are some, of what, and what is seen."""
        size = self.grid.centres_ego[..., 0].numel()
        index = self._voxels(torch.cat([view.points_ego() for view in views]))
        everything = torch.zeros(1 + size).index_add_(0, index, torch.ones(len(index)))
        hit = torch.cat([view.distance.flatten() > 0 for view in views])
        velocities = torch.cat([view.velocities.flatten(0, 1) for view in views])[hit]
        numbers = torch.cat([view.instances.flatten() for view in views])[hit]
        moving = velocities.norm(dim=-1) > MOVING_M_S
        index, velocity = index[moving], velocities[moving]
        count = torch.zeros(1 + size).index_add_(0, index, torch.ones(len(index)))
        total = torch.zeros(1 + size, 3).index_add_(0, index, velocity)
        mean = total / count.clamp(min=1).unsqueeze(-1)
        instances = torch.zeros(1 + size, dtype=torch.long)
        instances[index] = numbers[moving]
        shape = self.grid.shape_zyx
        return (
            mean[:-1].T.unflatten(-1, shape),
            (count[:-1] >= MIN_POINTS).unflatten(0, shape),
            instances[:-1].unflatten(0, shape),
            (everything[:-1] > 0).unflatten(0, shape),
        )

    def _voxels(self, points: Tensor) -> Tensor:
        """Flat index of each point's voxel; outside the grid, one past the last."""
        place = self.grid.to_grid(points).floor().long()
        x, y, z = self.grid.shape_xyz
        outside = ((place < 0) | (place >= torch.tensor([x, y, z]))).any(dim=-1)
        index = (place[:, 2] * y + place[:, 1]) * x + place[:, 0]
        return index.masked_fill(outside, z * y * x)


@dataclass
class Scores:
    """Errors by range and unit, and how much of what stands is said to move."""

    moving: dict[tuple[str, int], MovingFlow]
    still: list[Tensor]

    def add(self, flow: Tensor, clip: OracleClip, ranges_m: Tensor) -> None:
        """One clip; `flow` is `3 z y x`."""
        speed = clip.truth.norm(dim=0)
        counted = clip.moving & (speed >= SPEEDS_M_S[0]) & (speed <= SPEEDS_M_S[1])
        for limit in LIMITS_M:
            chosen = counted & (ranges_m < limit)
            self._add(("voxels", limit), flow[:, chosen].T, clip.truth[:, chosen].T)
            for number in clip.instances[chosen].unique():
                one = chosen & (clip.instances == number)
                means = (v[:, one].mean(dim=1)[None] for v in (flow, clip.truth))
                self._add(("objects", limit), *means)
        standing = clip.seen & ~clip.moving & (ranges_m < LIMITS_M[-1])
        self.still.append(flow[:, standing].norm(dim=0))

    def _add(self, key: tuple[str, int], flow: Tensor, truth: Tensor) -> None:
        errors = MovingFlow.of(flow, truth, torch.ones(len(truth), dtype=torch.bool))
        self.moving[key] = self.moving[key] + errors if key in self.moving else errors

    def table(self) -> str:
        head = f"{'moving, within':<18} {'count':>6} {'norm. EPE':>10} {'median deg':>11}"
        head = f"{head} {'mean deg':>9}"
        rows = [head, "-" * len(head)]
        for (unit, limit), e in sorted(self.moving.items(), key=lambda item: item[0][::-1]):
            rows.append(
                f"{unit + f', {limit} m':<18} {e.num_points:>6} {e.normalised_epe or 0:>10.3f} "
                f"{e.median_angle_deg or 0:>11.1f} {e.mean_angle_deg or 0:>9.1f}"
            )
        still = torch.cat(self.still)
        rows.append(
            f"what stands, within {LIMITS_M[-1]} m: mean speed {still.mean():.3f} m/s, "
            f"{100 * (still > MOVING_M_S).float().mean():.1f} % above {MOVING_M_S} m/s"
        )
        return "\n".join(rows)


def _given(value: float | None, usual: float) -> float:
    return usual if value is None else value


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of an embedded world")
    parser.add_argument("--scenes", default="val", help="split")
    parser.add_argument("--clips", type=int, default=24, help="at most so many, spread evenly")
    parser.add_argument("--noise", type=float, default=0.0, help="relative error of distances")
    parser.add_argument("--interval", type=float, help="seconds between frames; default: keyframes")
    parser.add_argument("--seed", type=int, default=0, help="of the estimator's descriptors")
    for name in ("static", "slow"):
        chosen = f"--{name}-prior"
        parser.add_argument(chosen, type=float, help=f"as --flow.{name}-prior; default: demo's")
    options = parser.parse_args()
    config = preset("demo")
    grid = build_grid(config.grid)
    torch.manual_seed(options.seed)
    search = FlowSearch(
        static_prior=_given(options.static_prior, config.flow.static_prior),
        slow_prior=_given(options.slow_prior, config.flow.slow_prior),
    )
    estimator = SceneFlow(CHANNELS, grid, search=search)
    oracle = Oracle(options.data, options.scenes, grid, options.noise, options.interval)
    ranges_m = grid.centres_ego[..., :2].norm(dim=-1)
    scores = Scores({}, [])
    for clip in oracle.clips(options.clips):
        present = torch.ones_like(clip.dt_s, dtype=torch.bool)
        flow = estimator(Sources(clip.warped, clip.valid, clip.dt_s, present))
        scores.add(flow[0], clip, ranges_m)
    print(scores.table())


if __name__ == "__main__":
    main()

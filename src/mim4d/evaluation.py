"""How well a run measures distance on held-out clips, beside what needs no learning.

For every clip the inputs are unmasked, one frame is rebuilt without its own images, and the frame's
direct and rebuilt volumes are rendered along a regular lattice of rays through all cameras. Truth
is the data set's exact distance where it has one (the embedded world), else LiDAR. A pixel counts
where the truth lies between 1 and 60 m and inside the grid. Errors are means over all pixels of all
clips, without any scaling, predictions clamped to 1 to 60 m; the rendered distance is
d̂ = Σw·d + (1 − Σw)·far.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.build import build_dataset, build_grid
from mim4d.config import Device, RunConfig
from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice, resolve_split
from mim4d.data.truth import has_truth, read_distance
from mim4d.files import write_text
from mim4d.geometry.depth_map import nearest_points
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.loading import load_model, untrained_model
from mim4d.metrics.distance import DistanceErrors, distance_errors
from mim4d.models.masking import hide_padding
from mim4d.models.video_encoder import ego_from_camera
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.rendering.ray_choice import at_pixels
from mim4d.rendering.rays import Rays, image_rays
from mim4d.rendering.renderer import Rendering, render_chunked
from mim4d.training.devices import choose_accelerator
from mim4d.training.record import was_trained_on

MIN_M, MAX_M = 1.0, 60.0
_HELD_OUT = SceneChoice("val")


@dataclass(frozen=True)
class FramePrediction:
    """One frame seen through its own volume and through the rebuilt one, per camera.

    Attributes:
        direct_colours: From the frame's own images.
        direct_m: Distance along the ray, metres.
        rebuilt_colours: From the other frames only.
        rebuilt_m: Distance along the ray, metres.
    """

    direct_colours: Float[Tensor, "n h w 3"]
    direct_m: Float[Tensor, "n h w"]
    rebuilt_colours: Float[Tensor, "n h w 3"]
    rebuilt_m: Float[Tensor, "n h w"]


@dataclass(frozen=True)
class Evaluation:
    """Errors by row of the table, and what they were measured on.

    Attributes:
        rows: Name and errors; the run's own rows are `direct` and `rebuilt`.
        truth: What served as truth.
        scenes: Scenes that were evaluated.
        num_clips: Clips that were evaluated.
        held_out: Whether none of the scenes was trained on.
    """

    rows: dict[str, DistanceErrors]
    truth: str
    scenes: list[str]
    num_clips: int
    held_out: bool

    @property
    def baseline(self) -> float:
        """Lowest AbsRel of untrained direct volume, pixel mean and pixel median; else NaN."""
        names = ("untrained", "pixel_mean", "pixel_median")
        rows = [self.rows[name].abs_rel for name in names if name in self.rows]
        return min(rows, default=float("nan"))

    def table(self) -> str:
        """The table for a person."""
        head = f"{'distance error':<26} {'AbsRel':>8} {'/ best':>8} {'RMSE m':>8} {'d<1.25':>8}"
        lines = [head, "-" * len(head)]
        for name, e in self.rows.items():
            ratio = e.abs_rel / self.baseline
            lines.append(
                f"{ROW_NAMES[name]:<26} {e.abs_rel:>8.3f} {ratio:>8.2f} {e.rmse:>8.2f} "
                f"{e.delta_1:>8.3f}"
            )
        where = "held-out" if self.held_out else "TRAINING"
        pixels = next(iter(self.rows.values())).num_pixels
        lines.append(
            f"{self.num_clips} clips of {len(self.scenes)} {where} scenes, {pixels} pixels, truth: "
            f"{self.truth}; 'best' is the best of the rows that need no training"
        )
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        write_text(path, json.dumps({**asdict(self), "baseline": self.baseline}, indent=2) + "\n")


ROW_NAMES = {
    "pixel_mean": "mean of training scenes",
    "pixel_median": "median of training scenes",
    "untrained": "untrained, direct",
    "untrained_rebuilt": "untrained, rebuilt frame",
    "direct": "direct volume",
    "rebuilt": "rebuilt dropped frame",
}


def evaluate_run(
    run: Path,
    data: Path,
    *,
    stride: int = 4,
    max_clips: int | None = None,
    scenes: SceneChoice = _HELD_OUT,
    version: str | None = None,
    device: Device = "auto",
) -> Evaluation:
    """Evaluate a run and write RUN/evaluation.json.

    Args:
        run: Run folder.
        data: Data set.
        stride: Image pixels per evaluated pixel, in both directions.
        max_clips: At most so many clips, spread evenly.
        scenes: Scenes that count; by default the held-out ones, or all if the data set names none.
        version: Version folder of the data set.
        device: Where to compute.

    Raises:
        ValueError: For anything wrong with run or data, or if no pixel has a truth that counts.
    """
    if stride < 1 or (max_clips is not None and max_clips < 1):
        raise ValueError(f"--stride {stride} and --clips {max_clips}: expected at least 1")
    accelerator = choose_accelerator(device)
    model, config = load_model(run)
    view = EvaluatedView.of(config, stride)
    dataset = build_dataset(config, data, scenes, version)
    indices = spread(len(dataset), max_clips)
    truths = [view.truth(dataset, index, dataset[index]) for index in indices]
    rows = _pixel_baselines(build_dataset(config, data, "train", version), view, truths)
    for names, each in (
        (("untrained", "untrained_rebuilt"), untrained_model(config)),
        (("direct", "rebuilt"), model),
    ):
        predictions = []
        for index in indices:
            clip = dataset[index].to(accelerator)
            predictions.append(predict_frame(each.to(accelerator), clip, view))
        rows[names[0]] = _errors([p.direct_m for p in predictions], truths)
        rows[names[1]] = _errors([p.rebuilt_m for p in predictions], truths)
    evaluation = Evaluation(
        rows,
        "exact distance" if has_truth(data) else "LiDAR",
        sorted({dataset.scene_name(i) for i in indices}),
        len(indices),
        held_out=not was_trained_on(run, data, [dataset.scene_name(i) for i in indices]),
    )
    evaluation.save(run / "evaluation.json")
    return evaluation


def spread(count: int, wanted: int | None) -> list[int]:
    """At most `wanted` of `count` indices, evenly spread."""
    if wanted is None or wanted >= count:
        return list(range(count))
    return [(2 * i + 1) * count // (2 * wanted) for i in range(wanted)]


@dataclass(frozen=True)
class EvaluatedView:
    """What is looked at: one frame of a clip, through a lattice of rays in every camera.

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
    def of(cls, config: RunConfig, stride: int) -> "EvaluatedView":
        """The key frame if that is what is dropped in training, else the middle one."""
        clip = config.clip
        key = config.mask.dropped_frame == "key"
        return cls(
            clip.key % clip.frames if key else clip.frames // 2,
            (clip.image_height // stride, clip.image_width // stride),
            build_grid(config.grid),
            config.render.near_m,
        )

    def rays(self, clip: Clip) -> Rays:
        """The lattice of rays of a single clip, in the frame's ego axes."""
        return self._lattice(clip)[0]

    def _lattice(self, clip: Clip) -> tuple[Rays, Float[Tensor, "b r 2"]]:
        """Rays and their pixels."""
        return image_rays(
            clip.image_sizes[:, self.frame],
            clip.image_present[:, self.frame],
            clip.intrinsics[:, self.frame],
            ego_from_camera(clip)[:, self.frame],
            self.lattice,
            self.grid,
            self.near_m,
        )

    def truth(self, dataset: NuscenesDataset, index: int, clip: Clip) -> Float[Tensor, "n h w"]:
        """True distance along each ray, metres; NaN where it is unknown or does not count.

        It counts between 1 and 60 m and inside the grid, and not where a camera sees its own car.
        """
        root = dataset.tables.root
        if has_truth(root):
            files = dataset.image_files(index)[self.frame]
            empty = torch.zeros(self.lattice)
            images = [
                read_distance(root, Path(f), self.lattice, dataset.shown_box) if f else empty
                for f in files
            ]
            distance = torch.stack(images)
        else:
            distance = lidar_distance(clip, self.frame, self.lattice)
        (rays, pixels), flat = self._lattice(clip), distance.flatten()
        points = rays.origins[0] + rays.directions[0] * flat.unsqueeze(-1)
        counts = self.grid.contains(points) & rays.valid[0] & (flat > MIN_M) & (flat < MAX_M)
        if clip.on_body is not None:
            by_camera = pixels[0].unflatten(0, (clip.num_cameras, -1))
            counts &= ~at_pixels(clip.on_body[0], by_camera).flatten()
        return torch.where(counts, flat, torch.nan).unflatten(0, distance.shape)


@torch.no_grad()
def predict_frame(
    model: MaskedVideoModel,
    clip: Clip,
    view: EvaluatedView,
    visible: Bool[Tensor, "b t n hp wp"] | None = None,
) -> FramePrediction:
    """Render one frame of a single clip from its own volume and from the rebuilt one.

    Args:
        model: In evaluation mode.
        clip: One clip (b = 1).
        view: The frame and the rays.
        visible: Patches the encoder may see; None shows all.
    """
    if visible is None:
        rows, columns = (size // model.patch_px for size in clip.images.shape[-2:])
        shape = (*clip.images.shape[:3], rows, columns)
        visible = torch.ones(shape, dtype=torch.bool, device=clip.images.device)
    volumes = model.encoder(clip, hide_padding(visible, clip.image_sizes, model.patch_px))
    rebuilt = model.rebuild(volumes, clip, torch.tensor([[view.frame]], device=volumes.device))
    rays = view.rays(clip)
    h, w = view.lattice

    def images(rendering: Rendering) -> tuple[Tensor, Tensor]:
        colours = rearrange(rendering.colours, "1 (n h w) c -> n h w c", h=h, w=w)
        return colours.cpu(), rearrange(rendering.distances, "1 (n h w) -> n h w", h=h, w=w).cpu()

    return FramePrediction(
        *images(render_chunked(model.renderer, volumes[:, view.frame], rays)),
        *images(render_chunked(model.renderer, rebuilt, rays)),
    )


def lidar_distance(clip: Clip, frame: int, lattice: tuple[int, int]) -> Float[Tensor, "n h w"]:
    """Distance of the nearest LiDAR point of the frame's sweep in each cell; 0 where none is."""
    n = clip.num_cameras
    points_ref = clip.points_ref[0, frame].expand(n, -1, -1)
    points_camera = transform_points(invert_rigid(clip.ref_from_camera[0, frame]), points_ref)
    _, distance, _ = nearest_points(
        points_camera,
        clip.valid_points[0, frame].expand(n, -1),
        clip.intrinsics[0, frame],
        clip.image_sizes[0, frame].float(),
        lattice,
    )
    return distance


def _errors(predicted: list[Tensor], truths: list[Tensor]) -> DistanceErrors:
    """Errors over all pixels of all clips that count."""
    truth = torch.stack(truths)
    errors = distance_errors(torch.stack(predicted), truth, ~truth.isnan(), MIN_M, MAX_M)
    if errors is None:
        raise ValueError("no pixel of the evaluated clips has a known distance inside the grid")
    return errors


def _pixel_baselines(
    training: NuscenesDataset, view: EvaluatedView, truths: list[Tensor]
) -> dict[str, DistanceErrors]:
    """Errors of the training scenes' mean and median distance at every pixel of every camera.

    Only for data sets with exact distances and a list of splits: a mean over a few LiDAR points
    per pixel, or over the evaluated scenes themselves, would say nothing.
    """
    tables = training.tables
    split = resolve_split(tables.root, tables.version, tables.scene_names, "train")
    if not has_truth(tables.root) or split.origin == "all":
        return {}
    seen = torch.stack([view.truth(training, i, training[i]) for i in range(len(training))])
    return {
        name: _errors([constant] * len(truths), truths)
        for name, constant in pixel_constants(seen).items()
    }


def pixel_constants(seen: Float[Tensor, "k n h w"]) -> dict[str, Float[Tensor, "n h w"]]:
    """Mean and median over `k` frames of each pixel of each camera, leaving out NaN.

    A pixel that never counted gets its camera's constant.
    """
    cameras = seen.transpose(0, 1).flatten(1)
    constants = {
        "pixel_mean": (seen.nanmean(dim=0), cameras.nanmean(dim=1)),
        "pixel_median": (seen.nanmedian(dim=0).values, cameras.nanmedian(dim=1).values),
    }
    return {
        name: torch.where(by_pixel.isnan(), by_camera[:, None, None], by_pixel)
        for name, (by_pixel, by_camera) in constants.items()
    }

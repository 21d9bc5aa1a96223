"""The configuration of a run: frozen dataclasses, nested by stage of the data flow.

Plain numbers only: this module imports no torch, so that `--help` answers at once. A run is a
preset function of `presets.py` that returns a complete `RunConfig`; `build.py` is the one place
that turns a config into objects. `config_json` writes and reads it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro

from mim4d.augment_config import AugmentConfig
from mim4d.config_checks import require
from mim4d.convention_config import ConventionConfig as ConventionConfig
from mim4d.data.images.image_fit import Fit
from mim4d.encoder_config import EncoderConfig as EncoderConfig
from mim4d.flow_config import FlowConfig as FlowConfig
from mim4d.loss_config import LossConfig as LossConfig
from mim4d.loss_config import PhotometricConfig as PhotometricConfig
from mim4d.mask_config import MaskConfig as MaskConfig
from mim4d.mask_config import TemporalConfig as TemporalConfig

Vector3 = tuple[float, float, float]
Precision = Literal["fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class ClipConfig:
    """Which images make a clip, and at what size."""

    frames: int = 3
    """Frames of a clip; of a single one none is dropped, and nothing temporal is learned."""
    key: int = 1
    """Index of the key frame among the frames, oldest first; its ego frame is `ref`."""
    frame_interval_s: float | None = None
    """Time between frames, seconds; None takes consecutive keyframes, whatever their spacing."""
    image_height: int = 128
    """Rows images are resized and padded to; a multiple of 32."""
    image_width: int = 224
    """Columns images are resized and padded to; a multiple of 32."""
    fit: Fit = "inside"
    """`inside` shows whole images, with padding; `cover` fills the target and crops the sky."""
    cameras: tuple[str, ...] | None = None
    """Camera channels to use; None takes all."""
    lidar: str | None = "LIDAR_TOP"
    """LiDAR channel; None uses none, and frames then take time and pose of the front camera."""
    body_masks: Path | None = None
    """Folder of CHANNEL.png, one per camera that sees its own car, non-zero where it does; there
    no rays are cast and no distance counts."""
    sky_masks: Path | None = None
    """Folder with a PNG for every image, at the image's path below the data set, non-zero on the
    sky; there no rays are cast."""

    def __post_init__(self) -> None:
        require(self.frames >= 1, "clip.frames", self.frames, "at least 1")
        require(
            -self.frames <= self.key < self.frames,
            "clip.key",
            self.key,
            f"the index of one of clip.frames ({self.frames}) frames",
        )
        require(
            self.frame_interval_s is None or self.frame_interval_s > 0,
            "clip.frame_interval_s",
            self.frame_interval_s,
            "a positive number of seconds",
        )
        for name in ("image_height", "image_width"):
            size = getattr(self, name)
            require(size > 0 and size % 32 == 0, f"clip.{name}", size, "a positive multiple of 32")


@dataclass(frozen=True)
class GridConfig:
    """The voxel grid around the car, in ego axes (x forward, y left, z up) or its own, metres."""

    lower_m: Vector3 = (-32.0, -32.0, -1.0)
    """Lower faces along x, y, z."""
    upper_m: Vector3 = (32.0, 32.0, 5.0)
    """Upper faces along x, y, z."""
    shape_xyz: tuple[int, int, int] = (64, 64, 8)
    """Number of voxels along x, y, z."""
    origin_m: Vector3 = (0.0, 0.0, 0.0)
    """Where the grid's own axes begin, in ego axes; published grids lie in the LiDAR's axes."""
    rotation_deg: Vector3 = (0.0, 0.0, 0.0)
    """Roll, pitch and yaw of the grid's axes in ego axes, degrees: turns about x, then y, then
    z."""


@dataclass(frozen=True)
class LiftConfig:
    """Image features to voxels."""

    method: Literal["lookup", "splat"] = "lookup"
    """`lookup`: each voxel asks the cameras that see it, so none stays empty. `splat`: each cell
    and depth bin of the images falls into one voxel, so no probability is lost or counted twice."""
    num_bins: int = 48
    """Depth bins."""
    first_bin_m: float = 1.0
    """Centre of the first bin, metres along the optical axis."""
    last_bin_m: float = 48.0
    """Centre of the last bin, metres."""
    depth_head: Literal["camera_aware", "simple", "aspp"] = "camera_aware"
    """`camera_aware` knows each cell's ray and starts at the road; `simple` (one 1×1 convolution)
    and `aspp` are the published ones."""
    normalise: Literal["sum", "mean"] = "mean"
    """What several cameras (lookup) or points (splat) say about a voxel: added up, or averaged."""
    volume_channels: int = 32
    """Channels of a voxel."""
    aspp_channels: int = 96
    """Channels of each branch of the pyramid of depth_head aspp."""

    def __post_init__(self) -> None:
        require(
            0 <= self.first_bin_m < self.last_bin_m,
            "lift.first_bin_m",
            self.first_bin_m,
            f"between 0 and last_bin_m ({self.last_bin_m})",
        )
        for name, least in (("num_bins", 2), ("volume_channels", 1), ("aspp_channels", 1)):
            value = getattr(self, name)
            require(value >= least, f"lift.{name}", value, f"at least {least}")


@dataclass(frozen=True)
class RenderConfig:
    """Rays, the SDF field and NeuS."""

    rays_per_camera: int = 64
    """Rays per image in training."""
    rays_on: Literal["everywhere", "hidden"] = "everywhere"
    """Whether rays, LiDAR's too, go through all pixels, or through those of hidden patches only."""
    use_lidar: bool = True
    """Take rays through LiDAR returns first, and supervise their distance."""
    lidar_points: int = 8192
    """LiDAR points of each frame that a step looks at, drawn at random."""
    sky_fraction: float = 0.0
    """Share of rows at the top of the image where no pixel-only ray starts."""
    occlusion_cell_px: int | None = 8
    """Cell size of the test that drops LiDAR points the camera cannot see; None keeps all."""
    num_samples: int = 32
    """Evenly spread samples per ray."""
    num_importance: int = 16
    """Further samples per ray, drawn where the surface seems to be."""
    chunk_rays: int | None = None
    """Rays rendered at once in training, over all frames; what lies between is computed again for
    the gradient. None keeps it all in memory: faster, if it fits."""
    direct_frames: Literal["all", "dropped"] = "all"
    """Frames whose own volumes are rendered beside the rebuilt ones: `all` lets every encoded image
    teach; `dropped`, the published choice, costs less."""
    near_m: float = 1.0
    """Nearest sample, metres along the ray."""
    hidden: int = 32
    """Width of the SDF and colour networks."""
    sdf_layers: int = 6
    """Linear layers of the SDF network."""
    colour_layers: int = 4
    """Linear layers of the colour network."""
    sdf_start: Literal["network", "ground"] = "ground"
    """`ground`: the SDF starts as height above the ground."""
    sharpness_start_per_m: float = 1.0
    """NeuS sharpness at the start, 1/metre."""

    def __post_init__(self) -> None:
        for name in ("rays_per_camera", "num_samples", "hidden", "lidar_points"):
            value = getattr(self, name)
            require(value >= 1, f"render.{name}", value, "at least 1")
        for name in ("sdf_layers", "colour_layers"):
            value = getattr(self, name)
            require(value >= 2, f"render.{name}", value, "at least 2")
        require(
            self.chunk_rays is None or self.chunk_rays >= 1,
            "render.chunk_rays",
            self.chunk_rays,
            "at least 1, or None",
        )
        require(self.num_importance >= 0, "render.num_importance", self.num_importance, "0 or more")
        require(
            0 <= self.sky_fraction < 1,
            "render.sky_fraction",
            self.sky_fraction,
            "a share in [0, 1)",
        )
        for name in ("near_m", "sharpness_start_per_m"):
            value = getattr(self, name)
            require(value > 0, f"render.{name}", value, "a positive number")


@dataclass(frozen=True)
class OptimConfig:
    """The optimiser and its schedule, by optimiser step."""

    steps: int = 400
    """Optimiser steps of the run."""
    batch_size: int = 1
    """Clips per forward pass and process."""
    accumulate: int = 1
    """Forward passes whose gradients are averaged for one optimiser step: a larger batch in the
    same memory."""
    lr: float = 1e-3
    """Peak learning rate of everything but the backbone."""
    lr_clips: int | None = None
    """Clips per optimiser step, over all processes, that `lr` is meant for: with more or fewer it
    is scaled in proportion. None takes `lr` as it is."""
    backbone_lr_factor: float = 1.0
    """The backbone's learning rate as a share of `lr`."""
    beta_2: float = 0.999
    """AdamW's decay of squared gradients; a little less suits short runs."""
    weight_decay: float = 0.01
    """AdamW weight decay of matrices; vectors have none."""
    warmup_steps: int = 20
    """Steps of the linear warm-up."""
    final_lr_factor: float = 0.02
    """Learning rate at the end as a share of the peak (cosine)."""
    clip_norm: float = 35.0
    """Largest gradient norm."""
    ema_momentum: float | None = None
    """Share of the new weights in an exponential moving average over the optimiser steps, which
    evaluation and the exported encoder then use (larger shares first: the random start leaves no
    trace). None averages nothing."""

    def __post_init__(self) -> None:
        for name in ("accumulate", "lr_clips"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"optim.{name}", value, "at least 1")
        require(
            self.ema_momentum is None or 0 < self.ema_momentum <= 1,
            "optim.ema_momentum",
            self.ema_momentum,
            "a share in (0, 1], or None",
        )
        require(self.steps >= 1, "optim.steps", self.steps, "at least 1")
        require(self.batch_size >= 1, "optim.batch_size", self.batch_size, "at least 1")
        require(self.lr > 0, "optim.lr", self.lr, "a positive number")
        require(self.warmup_steps >= 0, "optim.warmup_steps", self.warmup_steps, "0 or more")
        require(0 < self.beta_2 < 1, "optim.beta_2", self.beta_2, "between 0 and 1")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a pre-training run."""

    preset: tyro.conf.Fixed[str]
    """Name of the preset this started from."""
    clip: ClipConfig = field(default_factory=ClipConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    lift: LiftConfig = field(default_factory=LiftConfig)
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    photometric: PhotometricConfig = field(default_factory=PhotometricConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    conventions: ConventionConfig = field(default_factory=ConventionConfig)
    seed: int = 0
    """Seed of everything random; each step's draws depend on (seed, step, rank) alone."""
    precision: Precision = "fp32"
    """Precision of the encoder and the convolutions; geometry and rendering stay in fp32."""
    checkpoint_every: int = 100
    """Optimiser steps between checkpoints."""

    def __post_init__(self) -> None:
        require(self.checkpoint_every >= 1, "checkpoint_every", self.checkpoint_every, "at least 1")
        self.mask.check_dropped(self.clip.frames)
        clip = self.clip
        self._check_lidar()
        on_hidden = self.render.rays_on == "hidden"
        self.mask.check_patches(clip.image_height, clip.image_width, on_hidden)
        if self.loss.compares_images:
            self.photometric.check_images(clip.image_height, clip.image_width)
        if clip.frames == 1 and clip.cameras is not None and len(clip.cameras) == 1:
            self.loss.check_no_images_compared()

    def _check_lidar(self) -> None:
        """Refuse losses that want LiDAR where there is none, or where it is not used."""
        wanting = self.loss.lidar_weights
        want = (
            f"while {' and '.join(f'loss.{name}' for name in wanting)} "
            "want what it measures (set them to 0 to do without)"
        )
        lidar = self.clip.lidar
        require(lidar is not None or not wanting, "clip.lidar", lidar, f"a LiDAR channel {want}")
        use = self.render.use_lidar
        require(use or not wanting, "render.use_lidar", use, f"True {want}")

"""Everything that decides a pre-training run."""

import math
from dataclasses import dataclass, field

from mim4d.config.checks import require
from mim4d.config.flow import FlowConfig
from mim4d.config.loss import LossConfig
from mim4d.config.mask import MaskConfig
from mim4d.config.photometric import PhotometricConfig
from mim4d.config.render import RenderConfig
from mim4d.config.run import RunConfig
from mim4d.config.temporal import TemporalConfig


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(RunConfig):
    """A run on a trunk that learns by rebuilding and rendering what is hidden from it."""

    mask: MaskConfig = field(default_factory=MaskConfig)
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    photometric: PhotometricConfig = field(default_factory=PhotometricConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mask.check_dropped(self.clip.frames)
        clip = self.clip
        self._check_lidar()
        one_level = self.loss.rendering_teaches_depth or self.encoder.lift_levels == 1
        only = "True where encoder.lift_levels is above 1: the losses of depth see the finest alone"
        require(one_level, "loss.rendering_teaches_depth", False, only)
        on_hidden = self.render.rays_on == "hidden"
        self.mask.check_patches(clip.image_height, clip.image_width, on_hidden)
        if self.loss.compares_images:
            self.photometric.check_images(clip.image_height, clip.image_width)
        if clip.frames == 1 and clip.cameras is not None and len(clip.cameras) == 1:
            self.loss.check_no_images_compared()

    @property
    def depth_alone_steps(self) -> int:
        """How many of the steps teach the depth head alone."""
        return math.floor(self.optim.steps * self.loss.depth_alone_share)

    def _check_lidar(self) -> None:
        """Refuse losses that want LiDAR where there is none, or where it is not used."""
        wanting = self.loss.lidar_weights
        # Steps of depth alone want the weight of depth, and are refused without it.
        if self.loss.depth_alone_share > 0:
            wanting = [*wanting, "depth_alone_share"]
        teaches = self.loss.rendering_teaches_depth
        also = "" if teaches else ", and loss.rendering_teaches_depth to True"
        want = (
            f"needed by {' and '.join(f'loss.{name}' for name in wanting)} "
            f"(set to 0 to train without LiDAR{also})"
        )
        lidar = self.clip.lidar
        require(lidar is not None or not wanting, "clip.lidar", lidar, f"a LiDAR channel, {want}")
        use = self.render.use_lidar
        require(use or not wanting, "render.use_lidar", use, f"True, {want}")

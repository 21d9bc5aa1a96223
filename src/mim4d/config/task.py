"""Everything that decides the training of a task."""

from dataclasses import dataclass, field

import tyro

from mim4d.config.checks import require
from mim4d.config.flow import FlowConfig
from mim4d.config.head import CellsHeadConfig, HeadConfig
from mim4d.config.run import RunConfig
from mim4d.config.temporal import TemporalConfig
from mim4d.config.values import Frozen, Join


@dataclass(frozen=True, kw_only=True)
class TaskConfig(RunConfig):
    """A run on a trunk that learns a task from labels: the trunk, a head, how both are trained."""

    task: tyro.conf.Fixed[str]
    """Name of the task, one of `mim4d.tasks.TASKS`."""
    head: HeadConfig = field(default_factory=CellsHeadConfig)
    frozen: Frozen = "nothing"
    """Part that is not trained; its running statistics and stochastic depth stand still, too.
    `image_encoder`: the backbone. `trunk`: everything below the head. For single stages of the
    backbone see `encoder.frozen_stages`."""
    encoder_lr_factor: float = 1.0
    """Learning rate of the weights that `--init` gave, as a share of `optim.lr`; new weights learn
    at the full rate. The backbone's is `optim.backbone_lr_factor` times that."""
    join: Join = "key"
    """What the head reads of `clip.frames` frames. `key`: the key frame's volume alone.
    `concatenate`: also the other frames' volumes, ego motion removed. `decoder`: also the key
    frame's volume as the pre-training's decoder rebuilds it from the others."""
    class_balanced: bool = False
    """Draw clips so that each of the ten detection classes is drawn for equally often: rare ones
    are repeated (CBGS, about 4.5 times the draws of an epoch on nuScenes)."""
    depth_loss_weight: float = 0.0
    """Weight, beside the task's own losses, of the cross-entropy of the trunk's depth distributions
    against LiDAR; 0 learns from the task's labels alone."""
    image_loss_weight: float = 0.0
    """Weight, beside the task's own losses, of finding its things in the images themselves
    (perspective supervision): where the centres of boxes appear. It teaches what is trained of the
    trunk what they look like; with a frozen trunk it is left out. Detection only."""
    given_depth: bool = False
    """Lift by the true depths in place of the depth head's, in training and whenever the run is
    asked: exact ones where the data have them (embedded worlds), else LiDAR's. A ceiling: what the
    head would reach if distances were known."""
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        factor = self.encoder_lr_factor
        require(0 < factor < float("inf"), "encoder_lr_factor", factor, "a positive number")
        require(
            self.join == "key" or self.clip.frames > 1,
            "join",
            self.join,
            "key, because clip.frames is 1 (or raise clip.frames)",
        )
        weight = self.depth_loss_weight
        require(0 <= weight < float("inf"), "depth_loss_weight", weight, "0 or more")
        require(
            weight == 0 or self.clip.lidar is not None,
            "depth_loss_weight",
            weight,
            "0 where clip.lidar is None: LiDAR is what it compares with",
        )
        require(
            weight == 0 or self.frozen != "trunk",
            "depth_loss_weight",
            weight,
            "0 where frozen is trunk: nothing would learn from it",
        )
        of_images = self.image_loss_weight
        require(0 <= of_images < float("inf"), "image_loss_weight", of_images, "0 or more")
        if self.given_depth:
            require(weight == 0, "depth_loss_weight", weight, "0 where depths are given")
            turn = self.augment.camera_turn_deg
            require(turn == 0, "augment.camera_turn_deg", turn, "0 where depths are given")

    @property
    def learns_in_images(self) -> bool:
        """Whether the task's things are also looked for in the images."""
        return self.image_loss_weight > 0 and self.frozen != "trunk"

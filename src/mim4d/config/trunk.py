"""What every model has in common, whatever is trained on it: from files to a volume of voxels."""

from dataclasses import dataclass, field

import tyro

from mim4d.config.augment import AugmentConfig
from mim4d.config.clip import ClipConfig
from mim4d.config.conventions import ConventionConfig
from mim4d.config.encoder import EncoderConfig
from mim4d.config.grid import GridConfig
from mim4d.config.lift import LiftConfig
from mim4d.config.values import Precision


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """Clip to volumes: what a pre-training and a task share."""

    preset: tyro.conf.Fixed[str]
    """Name of the preset this started from."""
    clip: ClipConfig = field(default_factory=ClipConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    lift: LiftConfig = field(default_factory=LiftConfig)
    # No flags: they belong to the weights of an imported checkpoint, whose config.json has them.
    conventions: tyro.conf.Suppress[tyro.conf.Fixed[ConventionConfig]] = field(
        default_factory=ConventionConfig
    )
    precision: Precision = "fp32"
    """Precision of the encoder and the convolutions; geometry and rendering stay in fp32."""

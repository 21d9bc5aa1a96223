"""Which image encoder a run has: plain numbers and names, no torch."""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from mim4d.config.checks import require

EncoderFamily = Literal["convnext", "resnet", "efficientnet"]
LITE0_NAME = "tf_efficientnet_lite0"
_FAMILIES: dict[EncoderFamily, str] = {
    "convnext": r"convnext_",
    "resnet": r"(wide_)?resnet\d|resnext\d",
    "efficientnet": r"(tf_)?efficientnet_",
}


@dataclass(frozen=True)
class EncoderConfig:
    """The masked image encoder and its neck."""

    name: str = "convnext_atto"
    """timm name of a ConvNeXt (convnext_small, ...), a plain ResNet (resnet18, resnext50_32x4d,
    ...) or an EfficientNet (efficientnet_b0, tf_efficientnet_lite0, ...)."""
    depths: tuple[int, int, int, int] | None = None
    """Blocks per stage; None keeps the named model's own. ConvNeXt and ResNet only."""
    widths: tuple[int, int, int, int] | None = None
    """Channels per stage; None keeps the named model's own. ConvNeXt and ResNet only."""
    weights_file: Path | None = None
    """File with weights of the named timm model to start from. None: see `weights`."""
    weights: Literal["random", "lite0_imagenet"] = "random"
    """`lite0_imagenet`: ImageNet weights of tf_efficientnet_lite0, from the package of the extra
    `lite0`."""
    layer_scale_init: float | None = None
    """Initial value of ConvNeXt's residual scales. None: 1e-6, which suits pre-trained weights.
    Short runs from random weights want more, up to 1."""
    init: Literal["timm", "fan_in"] = "timm"
    """Random weights. `timm`: as timm draws them. `fan_in`: scaled by each layer's inputs, and no
    residual branch starts at zero; suits narrow models and short runs."""
    drop_path_rate: float = 0.0
    """Largest stochastic-depth rate."""
    frozen_stages: int = 0
    """First stages that are not trained; the stem belongs to the first. They need weights."""
    norm_eval: bool = False
    """Keep the running statistics of batch norms fixed; suits pre-trained weights and small
    batches. ResNet and EfficientNet only."""
    renormalise_after: int | None = None
    """Steps after which batch norms in training use running statistics as they will after it, so
    that dusk and haze are seen as they are (batch renormalisation, arXiv 1702.03275). It grows to
    its full strength over a fifth as many steps. None: never. ResNet and EfficientNet only."""
    mask_token: bool = False
    """Fill the hidden cells of each stage's map with a learned vector instead of zeros."""
    checkpoint_blocks: bool = False
    """Compute each block again in the backward pass: less memory, more time, the same numbers."""
    checkpoint_stages: int = 4
    """With checkpoint_blocks: the first so many stages, whose maps are large. What blocks of later
    ones keep is less, and computing it again costs as much time."""
    levels: tuple[int, ...] = (1, 2, 3)
    """Stages whose maps enter the neck: 0 to 3, of strides 4, 8, 16 and 32."""
    neck_channels: int = 64
    """Channels of the neck's output."""
    lift_levels: int = 1
    """Number of the neck's levels that are lifted, finest first."""

    @property
    def family(self) -> EncoderFamily:
        """Family of the named model.

        Raises:
            ValueError: If it is of none that is supported.
        """
        for family, pattern in _FAMILIES.items():
            if re.match(pattern, self.name):
                return family
        raise ValueError(
            f"config encoder.name: expected a ConvNeXt (convnext_*), ResNet (resnet*, resnext*, "
            f"wide_resnet*) or EfficientNet (efficientnet_*, tf_efficientnet_*), got {self.name!r}"
        )

    def __post_init__(self) -> None:
        defaults = {field.name: field.default for field in fields(self)}
        for option in _not_in_family(self.family):
            found, default = getattr(self, option), defaults[option]
            expected = f"{default}, because {self.name} ({self.family}) has no such option"
            require(found == default, f"encoder.{option}", found, expected)
        self._check_sizes()
        if self.weights == "lite0_imagenet":
            expected = f"{LITE0_NAME}, which encoder.weights lite0_imagenet belong to"
            require(self.name == LITE0_NAME, "encoder.name", self.name, expected)
            expected = "None beside encoder.weights lite0_imagenet"
            require(self.weights_file is None, "encoder.weights_file", self.weights_file, expected)

    def _check_sizes(self) -> None:
        """Refuse stages that do not exist, and parts without channels or blocks."""
        stages = sorted(set(self.levels) & {0, 1, 2, 3})
        levels = "ascending stages among 0 to 3"
        require(bool(stages) and stages == list(self.levels), "encoder.levels", self.levels, levels)
        frozen = f"0 to {stages[-1] + 1} (all stages up to the last of encoder.levels)"
        in_range = 0 <= self.frozen_stages <= stages[-1] + 1
        require(in_range, "encoder.frozen_stages", self.frozen_stages, frozen)
        for name in ("depths", "widths"):
            sizes = getattr(self, name)
            require(sizes is None or min(sizes) >= 1, f"encoder.{name}", sizes, "at least 1 each")
        require(
            1 <= self.checkpoint_stages <= 4,
            "encoder.checkpoint_stages",
            self.checkpoint_stages,
            "1 to 4",
        )
        for name in ("neck_channels", "lift_levels"):
            value = getattr(self, name)
            require(value >= 1, f"encoder.{name}", value, "at least 1")
        self._check_renormalisation()
        rate = self.drop_path_rate
        require(0 <= rate < 1, "encoder.drop_path_rate", rate, "a share in [0, 1)")

    def _check_renormalisation(self) -> None:
        after = self.renormalise_after
        if after is None:
            return
        require(after >= 0, "encoder.renormalise_after", after, "a number of steps, or None")
        expected = "False beside encoder.renormalise_after, which lets running statistics follow"
        require(not self.norm_eval, "encoder.norm_eval", self.norm_eval, expected)


def _not_in_family(family: EncoderFamily) -> tuple[str, ...]:
    """Options that say nothing to a family, and must be left alone."""
    match family:
        case "convnext":
            return ("norm_eval", "renormalise_after")
        case "resnet":
            return ("layer_scale_init",)
        case "efficientnet":
            return ("depths", "widths", "layer_scale_init")

"""What of training clips is changed at random: plain numbers, a section of the configuration."""

from dataclasses import dataclass
from typing import Literal

from mim4d.config.checks import require

Range = tuple[float, float]


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training clips; calibration, poses, points, boxes and map follow exactly.

    Everything is off by default. What is drawn depends on (seed, step, place among all clips of the
    step). Evaluation and rendering take clips as they are.
    """

    image_scale: Range = (1.0, 1.0)
    """Range of the factor on the usual size of images. What exceeds the target is cropped at a
    random place. Drawn per camera, the same for all frames."""
    image_flip: float = 0.0
    """Probability that a camera's images are mirrored left to right."""
    camera_drop: float = 0.0
    """Probability that a camera is left out of a clip; one always stays."""
    camera_turn_deg: float = 0.0
    """Largest turn of each camera about each of its axes, degrees: images are warped and poses
    turned with them, as if the rig had been built a little differently."""
    brightness: float = 0.0
    """Largest change of brightness: 0.2 draws a factor from 0.8 to 1.2."""
    contrast: float = 0.0
    """Largest change of contrast, about mid-grey."""
    saturation: float = 0.0
    """Largest change of saturation."""
    hue_deg: float = 0.0
    """Largest turn of hues, degrees."""
    colours_by: Literal["clip", "camera"] = "clip"
    """`clip`: all cameras of a clip change colours alike. `camera`: each for itself."""
    bev_rotation_deg: float = 0.0
    """Largest turn of the scene about the vertical, degrees."""
    bev_scale: Range = (1.0, 1.0)
    """Range of the factor on every length of the scene."""
    bev_flip_x: float = 0.0
    """Probability that front and back of the scene are exchanged."""
    bev_flip_y: float = 0.0
    """Probability that left and right of the scene are exchanged."""

    def __post_init__(self) -> None:
        for name in ("image_scale", "bev_scale"):
            low, high = getattr(self, name)
            require(
                0 < low <= high < float("inf"),
                f"augment.{name}",
                (low, high),
                "two positive factors, the smaller first",
            )
        for name in ("image_flip", "bev_flip_x", "bev_flip_y", "camera_drop"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"augment.{name}", value, "a probability")
        for name in ("brightness", "contrast", "saturation"):
            value = getattr(self, name)
            require(0 <= value < 1, f"augment.{name}", value, "a number in [0, 1)")
        turn = self.camera_turn_deg
        require(0 <= turn <= 30, "augment.camera_turn_deg", turn, "an angle from 0 to 30")
        for name in ("hue_deg", "bev_rotation_deg"):
            value = getattr(self, name)
            require(0 <= value <= 180, f"augment.{name}", value, "an angle from 0 to 180")

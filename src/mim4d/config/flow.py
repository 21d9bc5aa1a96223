"""How the motion between frames is searched."""

from dataclasses import dataclass

from mim4d.config.checks import require


@dataclass(frozen=True)
class FlowConfig:
    """Continuous scene flow: the velocity of what each voxel of a dropped frame holds."""

    enabled: bool = False
    """Look for motion, and rebuild dropped frames from sources that it is removed from."""
    width: int = 16
    """Channels of the descriptors that are compared."""
    max_speed_m_s: float = 16.0
    """Largest speed along either axis, m/s."""
    step_m_s: float = 8 / 3
    """Spacing of the first velocities that are tried, m/s: about two voxels over the time between
    the two sources nearest in time; half as much where that time is twice as long."""
    heights_m: tuple[float, float] = (0.3, 2.5)
    """Lowest and highest voxel centres above the ground that are compared: where what drives and
    walks is. The ground looks alike everywhere, trees and walls stand."""
    static_prior: float = 0.2
    """By how much standing still is preferred; a perfect match of strong features has 1. The demo's
    0.5 leaves more of the street alone and finds slow objects less often."""
    slow_prior: float = 0.2
    """The same for the slower of two velocities, times the square of their speed as a share of the
    largest."""

    def __post_init__(self) -> None:
        require(self.width >= 1, "flow.width", self.width, "at least 1")
        for name in ("max_speed_m_s", "step_m_s"):
            value = getattr(self, name)
            require(value > 0, f"flow.{name}", value, "a positive number of m/s")
        low, high = self.heights_m
        require(low < high, "flow.heights_m", self.heights_m, "two heights, the lower first")
        for name in ("static_prior", "slow_prior"):
            value = getattr(self, name)
            require(value >= 0, f"flow.{name}", value, "0 or more")

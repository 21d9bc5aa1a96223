"""How the motion between frames is searched."""

from dataclasses import dataclass

from mim4d.config.checks import require


@dataclass(frozen=True)
class FlowConfig:
    """Scene flow: the velocity of the content of each voxel of a dropped frame."""

    enabled: bool = False
    """Estimate motion, and remove it from the frames from which a dropped one is rebuilt;
    --flow.no-enabled turns that off."""
    width: int = 16
    """Channels of the descriptors that are matched."""
    max_speed_m_s: float = 16.0
    """Largest speed that is searched along either axis, m/s."""
    step_m_s: float = 8 / 3
    """Spacing of the first velocities that are tried, m/s. About two voxels over the time between
    the two nearest sources is right: twice the time wants half the spacing."""
    heights_m: tuple[float, float] = (0.3, 2.5)
    """Lowest and highest voxel centres that are matched, metres above the ground: the heights of
    traffic. Ground looks alike everywhere; trees and walls do not move."""
    static_prior: float = 0.2
    """Preference for standing still, in scores; a perfect match of strong features scores 1. The
    demo's 0.5 leaves more of the street alone and finds slow objects less often."""
    slow_prior: float = 0.2
    """Preference for the slower of two velocities, in scores: this times the square of speed, as a
    share of the largest."""

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

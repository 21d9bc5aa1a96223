"""Rays, the SDF field and the NeuS renderer."""

from dataclasses import dataclass
from typing import Literal

from mim4d.config.checks import require


@dataclass(frozen=True)
class RenderConfig:
    """Rays, the SDF field and NeuS."""

    rays_per_camera: int = 64
    """Rays per image in training."""
    rays_on: Literal["everywhere", "hidden"] = "everywhere"
    """Which pixels get rays, LiDAR's too: all, or those of hidden patches only."""
    use_lidar: bool = True
    """Cast rays through LiDAR returns first, and compare their distance with the measured one;
    --render.no-use-lidar turns that off."""
    lidar_points: int = 8192
    """LiDAR points of each frame that a step uses, drawn at random."""
    lidar_share: float = 1.0
    """Largest share of an image's rays that go through LiDAR returns. The others go through random
    pixels and also show what no LiDAR beam meets: the sky."""
    clear_sky: bool = False
    """Treat the rays of some random pixels as free all the way: of those above all LiDAR returns in
    their part of the image, but not above the highest return of the whole image;
    --render.no-clear-sky turns that off."""
    sky_fraction: float = 0.0
    """Share of rows at the top of the image that get no random rays."""
    occlusion_cell_px: int | None = 8
    """Cell size, pixels, of the test that drops LiDAR points hidden from the camera. None: none."""
    num_samples: int = 32
    """Samples per ray, spread from end to end; further ones follow by importance."""
    spacing: Literal["even", "log"] = "even"
    """How samples are spread. `even`: equal steps. `log`: equal steps of ln(1 m + d), shorter near
    the camera."""
    num_importance: int = 16
    """Further samples per ray, near the surface as it is known so far."""
    chunk_rays: int | None = None
    """Rays rendered at once in training, over all frames. Intermediate values are computed again
    for the gradient, which saves memory. None: all at once, faster if memory allows."""
    direct_frames: Literal["all", "dropped"] = "all"
    """Frames whose own volumes are rendered beside the rebuilt ones. `all`: every encoded image
    teaches. `dropped`: the published choice, which costs less."""
    near_m: float = 1.0
    """Nearest sample, metres along the ray."""
    background: Literal["black", "sky"] = "black"
    """Colour where nothing stops a ray: black, or a sky learned from the ray's direction and from
    the volume, as a whole and where the ray leaves it."""
    hidden: int = 32
    """Width of the SDF and colour networks."""
    sdf_layers: int = 6
    """Linear layers of the SDF network."""
    colour_layers: int = 4
    """Linear layers of the colour network."""
    sdf_start: Literal["network", "ground"] = "ground"
    """SDF before the first step. `ground`: height above the ground. `network`: random."""
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
        share = self.lidar_share
        require(0 <= share <= 1, "render.lidar_share", share, "a share in [0, 1]")
        for name in ("near_m", "sharpness_start_per_m"):
            value = getattr(self, name)
            require(value > 0, f"render.{name}", value, "a positive number")

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
    """Whether rays, LiDAR's too, go through all pixels, or through those of hidden patches only."""
    use_lidar: bool = True
    """Take rays through LiDAR returns first, and supervise their distance."""
    lidar_points: int = 8192
    """LiDAR points of each frame that a step looks at, drawn at random."""
    lidar_share: float = 1.0
    """Largest share of an image's rays that go through LiDAR returns; the others go through random
    pixels, which also shows the renderer what no beam meets: the sky."""
    clear_sky: bool = False
    """Take random pixels above everything that LiDAR met in their part of the image, but no higher
    than it met anything elsewhere in the image, for measured to be free all the way."""
    sky_fraction: float = 0.0
    """Share of rows at the top of the image where no pixel-only ray starts."""
    occlusion_cell_px: int | None = 8
    """Cell size of the test that drops LiDAR points the camera cannot see; None keeps all."""
    num_samples: int = 32
    """Samples per ray that are spread from end to end, before those by importance."""
    spacing: Literal["even", "log"] = "even"
    """How they are spread: `even`, or `log`, in equal steps of ln(1 m + d), which are shorter near
    the camera."""
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
    background: Literal["black", "sky"] = "black"
    """What shows where nothing stops a ray: nothing, or a colour learned from the ray's direction
    and from the volume, as a whole and where the ray leaves it."""
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
        share = self.lidar_share
        require(0 <= share <= 1, "render.lidar_share", share, "a share in [0, 1]")
        for name in ("near_m", "sharpness_start_per_m"):
            value = getattr(self, name)
            require(value > 0, f"render.{name}", value, "a positive number")

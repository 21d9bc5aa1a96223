"""What a comparison is made on: which part, at which shapes, in which numbers."""

import json
from dataclasses import asdict, dataclass

PARTS = (
    "encoder",
    "neck_depth",
    "lift_lookup",
    "lift_splat",
    "volume_conv",
    "warp",
    "decoder",
    "render",
    "step",
)
"""Parts of a training step, in the order of the data; `step` is the whole of it."""

SHAPES = ("official_080", "demo", "small")
"""Shapes by name: the published 0.8 m recipe, the demo's, and some that take a blink."""


@dataclass(frozen=True)
class Parameters:
    """One part at one size.

    Attributes:
        part: One of `PARTS`.
        shapes: One of `SHAPES`; what the part's other sizes are if not given.
        threads: Threads of torch.
        precision: `fp32`, or `preset` for what the preset trains in.
        seed: Of weights, inputs and the incoming gradients.
        images: Images that the encoder, the neck and the depth head see.
        frames: Frames of a clip.
        cameras: Cameras of a frame.
        batch: Clips.
        voxels: Voxels along x and y.
        rays: Rays of the rendering.
        samples: Samples on a ray, a quarter of them by importance.
        chunk_rays: Rays rendered at a time; 0 takes the preset's.
        config: A configuration file to take in place of the shapes' preset, so that two versions
            whose presets differ can be given the same model.
    """

    part: str
    shapes: str = "official_080"
    threads: int = 1
    precision: str = "fp32"
    seed: int = 0
    images: int | None = None
    frames: int | None = None
    cameras: int = 6
    batch: int = 1
    voxels: int | None = None
    rays: int | None = None
    samples: int | None = None
    chunk_rays: int | None = None
    config: str | None = None

    def __post_init__(self) -> None:
        for name, value, known in (("part", self.part, PARTS), ("shapes", self.shapes, SHAPES)):
            if value not in known:
                raise ValueError(f"{name}: {value!r} is unknown; expected {', '.join(known)}")

    @classmethod
    def from_json(cls, text: str) -> "Parameters":
        """What `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self))

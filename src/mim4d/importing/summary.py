"""What an import did."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class ImportSummary:
    """What was written.

    Attributes:
        out: Root of the data set.
        scenes: Number of scenes.
        samples: Key frames.
        linked: Images used as they are.
        made: Images made by rectification.
        sweeps: Sweeps of the LiDAR.
        boxes: Annotations.
        seconds: Wall-clock time taken.
        notes: What was chosen and left out, in sentences.
    """

    out: Path
    scenes: int = 0
    samples: int = 0
    linked: int = 0
    made: int = 0
    sweeps: int = 0
    boxes: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

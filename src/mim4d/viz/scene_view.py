"""One keyframe of a scene as the pictures of a gallery need it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.truth.exact import has_truth, read_distance, read_instances


@dataclass(frozen=True)
class SceneView:
    """One keyframe of a scene, and where its truth is.

    Attributes:
        clip: A clip (b = 1); its key frame is shown.
        caption: What to say after the scene's name.
        root: Data set, for the truth.
        files: Path of each camera's image in the key frame, relative to the data set.
    """

    clip: Clip
    caption: str
    root: Path
    files: list[str | None]

    def distance(self, n: int) -> Float[Tensor, "h w"]:
        """Exact distance along each pixel's ray, metres; NaN where there is none."""
        distance = read_distance(self.root, self._file(n), self._size(n))
        return torch.where(distance > 0, distance, torch.nan)

    def hiding(self, n: int) -> Float[Tensor, "h w"] | None:
        """`distance`, where the data set has it."""
        return self.distance(n) if has_truth(self.root) else None

    def instances(self, n: int) -> Int[Tensor, "h w"]:
        """Number of the object at each pixel; 0: none."""
        return read_instances(self.root, self._file(n), self._size(n))

    def _file(self, n: int) -> Path:
        file = self.files[n]
        assert file is not None, "only asked for images that exist"
        return Path(file)

    def _size(self, n: int) -> tuple[int, int]:
        height, width = self.clip.image_sizes[0, self.clip.key, n].tolist()
        return height, width

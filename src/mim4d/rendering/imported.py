"""The renderer with the conventions of the released checkpoints, for imported models alone."""

from typing import Any

from mim4d.rendering.renderer import NeusRenderer
from mim4d.rendering.sampling import SampleAt
from mim4d.rendering.sdf_field import SdfField


class ImportedRenderer(NeusRenderer):
    """Our renderer with the conventions of the released ones.

    Args:
        field: See `NeusRenderer`, as for all options that are not named here.
        sample_at: Where in its section a sample lies. `start` is the released sampler as a whole
            (see `importance_edges`).
        alpha_epsilon: See `alpha_from_sdf`; 1e-5 is the released value.
        options: Numbers of samples.
    """

    def __init__(
        self, field: SdfField, *, sample_at: SampleAt, alpha_epsilon: float, **options: Any
    ) -> None:
        super().__init__(field, **options)
        self.sample_at = sample_at
        self.alpha_epsilon = alpha_epsilon

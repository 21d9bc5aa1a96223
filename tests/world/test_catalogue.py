import numpy as np
import pytest

from mim4d.world.catalogue import KINDS, specimen
from mim4d.world.classes import CATEGORIES


@pytest.mark.parametrize("kind", KINDS)
def test_a_specimen_is_sound(kind):
    for seed in range(5):
        made = specimen(kind, np.random.default_rng(seed))
        low, high = made.mesh.extent
        assert made.category in ("", *CATEGORIES)
        assert low[2] == pytest.approx(0.0, abs=0.12)
        assert (high > low).all()
        assert made.rider == kind.startswith("ridden")

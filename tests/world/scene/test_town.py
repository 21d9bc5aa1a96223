import numpy as np
import pytest

from mim4d.world.scene.town import TOWN_SCENES, canvas_m, cell_size_m, placement, towns_of


def test_no_two_scenes_share_a_cell_and_no_splits_a_town():
    places = {
        split: [placement(split, index, 4.0) for index in range(6 * TOWN_SCENES)]
        for split in ("train", "val")
    }
    every = places["train"] + places["val"]
    assert len({(p.location, p.column, p.row) for p in every}) == len(every)
    train, val = (set(towns_of(places[split])) for split in ("train", "val"))
    assert not train & val
    assert len(train) == len(val) == 6
    assert {"boston-seaport", "singapore-onenorth", "singapore-queenstown", "mim4d-town-5"} <= train
    assert {"singapore-hollandvillage", "mim4d-town-6"} <= val


def test_towns_fill_up_in_squares():
    places = [placement("train", index, 3.5) for index in range(TOWN_SCENES)]
    side = cell_size_m(3.5)
    assert canvas_m(places[:1]) == (side, side)
    assert canvas_m(places[:4]) == (2 * side, 2 * side)
    assert canvas_m(places) == (5 * side, 5 * side)


def test_offset_puts_the_extent_into_the_middle_of_the_cell():
    place = placement("val", 3, 2.0)
    low, high = np.array([-20.0, 5.0]), np.array([100.0, 45.0])
    shifted = (low + high) / 2 + place.offset_m(low, high)
    np.testing.assert_allclose(shifted, np.array(place.origin_m) + place.size_m / 2)
    with pytest.raises(ValueError, match="does not fit into a cell"):
        place.offset_m(low, high + place.size_m)

"""Means, spreads and differences, by hand."""

import json
from pathlib import Path

import pytest

from mim4d.study.ablation.over_seeds import Spread
from tests.study.ablation.made import summary


def test_spread_by_hand() -> None:
    found = Spread.of({0: 1.0, 1: 3.0, 2: 5.0})
    assert found == Spread({0: 1.0, 1: 3.0, 2: 5.0}, mean=3.0, deviation=2.0)
    assert Spread.of({4: 2.5}) == Spread({4: 2.5}, mean=2.5, deviation=None)
    assert Spread.of({}) is None


@pytest.mark.parametrize(
    ("values", "exceeds"),
    [((1.0, 3.0), True), ((-1.0, -3.0), True), ((-1.0, 3.0), False), ((5.0,), False)],
)
def test_what_is_larger_than_its_spread(values: tuple[float, ...], exceeds: bool) -> None:
    found = Spread.of(dict(enumerate(values)))
    assert found is not None
    assert found.exceeds_spread == exceeds


def test_differences_are_paired_by_seed() -> None:
    """Over seeds the two rows overlap; seed by seed the difference is clear."""
    rows = {row.name: row for row in summary().rows}
    rebuilt = rows["no_flow"].differences["rebuilt"]
    assert rebuilt is not None
    assert rebuilt.by_seed == pytest.approx({0: 0.05, 1: 0.03})
    assert rebuilt.mean == pytest.approx(0.04)
    assert rebuilt.deviation == pytest.approx(0.02 / 2**0.5)
    direct = rows["no_flow"].differences["direct"]
    assert direct is not None
    assert direct.mean == pytest.approx(0.0)
    assert not direct.exceeds_spread
    assert rows["no_drop"].seeds == (1,)
    alone = rows["no_drop"].differences["direct"]
    assert alone is not None
    assert alone.by_seed == pytest.approx({1: 0.01})
    assert rows["no_drop"].values["rebuilt"] is None
    assert rows["no_flow"].differences["flow_epe"] is None
    assert rows["no_mask"].seeds == ()
    assert rows["full"].differences == {}


def test_a_summary_is_saved_whole(tmp_path: Path) -> None:
    summary().save(tmp_path / "ablation.json")
    content = json.loads((tmp_path / "ablation.json").read_text())
    assert content["facts"]["command"].startswith("mim4d ablate demo")
    assert content["rows"][0]["values"]["rebuilt"]["by_seed"] == {"0": 0.2, "1": 0.24}
    assert content["measures"]["rebuilt"] == "rebuilt AbsRel"

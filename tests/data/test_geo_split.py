"""Splits by place: parts are apart, as large as asked for, and refusals say what would work."""

from pathlib import Path

import numpy as np
import pytest

from mim4d.cli import main
from mim4d.data.driven_places import ScenePlaces, overlap, places_of
from mim4d.data.geo_split import geo_split, random_split, smallest_gap_m
from mim4d.data.splits import scene_names
from mim4d.errors import DataError
from mim4d.world.scene.town import placement

GAP_M = 40.0


@pytest.fixture(scope="module")
def towns() -> list[ScenePlaces]:
    """60 scenes in four towns, each driven straight through its cell; every fourth drives two."""
    rng = np.random.default_rng(0)
    scenes = []
    for number in range(60):
        place = placement("train" if number < 52 else "val", number % 52, 4.0)
        start = np.array(place.origin_m) + rng.uniform(0.1, 0.9, 2) * place.size_m
        way = (2 if number % 4 == 0 else 0.3) * place.size_m * rng.choice([-1, 1])
        along = np.linspace(0.0, way, 8)[:, None] * np.eye(2)[rng.integers(2)]
        scenes.append(ScenePlaces(f"scene-{number:04d}", place.location, start + along))
    assert len({scene.location for scene in scenes}) == 4
    return scenes


def _parts(towns: list[ScenePlaces], split: dict[str, list[str]]) -> list[list[ScenePlaces]]:
    return [places_of(towns, names) for names in split.values()]


def _least_distance(one: list[ScenePlaces], other: list[ScenePlaces]) -> float:
    """The slow twin: every pair of samples of one town."""
    return min(
        (
            float(np.linalg.norm(p - q))
            for a in one
            for b in other
            if a.location == b.location
            for p in a.positions_m
            for q in b.positions_m
        ),
        default=np.inf,
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_parts_are_apart_and_of_the_size_asked_for(towns: list[ScenePlaces], seed: int) -> None:
    split = geo_split(towns, {"val": 0.2, "test": 0.1}, GAP_M, seed)
    assert list(split) == ["train", "val", "test"]
    assert sorted(name for names in split.values() for name in names) == [
        scene.name for scene in towns
    ]
    sizes = [len(names) for names in split.values()]
    assert np.abs(np.array(sizes) / 60 - [0.7, 0.2, 0.1]).max() <= 0.03 * 0.1 + 1e-9
    train, val, test = _parts(towns, split)
    assert min(_least_distance(train, val), _least_distance(train, test)) > GAP_M
    assert smallest_gap_m(train, val) == pytest.approx(_least_distance(train, val))
    assert overlap(train, val) == 0
    # Every town with more than one cluster gives some of its scenes.
    assert len({scene.location for scene in val}) >= 3


def test_a_seed_gives_one_split_and_another_gives_another(towns: list[ScenePlaces]) -> None:
    first, again, other = (geo_split(towns, {"val": 0.2}, GAP_M, seed) for seed in (0, 0, 1))
    assert first == again != other


def test_a_random_split_overlaps_where_one_by_place_does_not() -> None:
    """Pairs of scenes on one road."""
    starts = [np.array([[0.0, 500.0 * (i // 2) + i % 2]]) for i in range(20)]
    scenes = [ScenePlaces(f"s{i}", "town", start) for i, start in enumerate(starts)]
    shares = {"val": 0.5}
    by_place, at_random = geo_split(scenes, shares, 50.0), random_split(scenes, shares)
    assert [len(names) for names in at_random.values()] == [10, 10]
    train, val = _parts(scenes, by_place)
    assert overlap(train, val) == 0
    train, val = _parts(scenes, at_random)
    share = overlap(train, val)
    assert share is not None
    assert share > 0.2


def test_overlap_by_hand() -> None:
    """Within 5 m counts, in the same town alone."""
    train = [ScenePlaces("a", "town", np.array([[0.0, 0.0]]))]
    points = np.array([[5.0, 0.0], [5.1, 0.0]])
    assert overlap(train, [ScenePlaces("b", "town", points)]) == 0.5
    assert overlap(train, [ScenePlaces("b", "elsewhere", points)]) == 0
    assert overlap(train, []) is None


def test_a_gap_that_is_too_large_names_the_largest_that_works() -> None:
    """Four scenes, 10, 30 and 20 m apart: halves can be 30 m apart, and no more."""
    scenes = [ScenePlaces(f"s{x}", "t", np.array([[float(x), 0.0]])) for x in (0, 10, 40, 60)]
    with pytest.raises(DataError, match=r"gap of 35 m.* largest gap that works is 29.9 m"):
        geo_split(scenes, {"val": 0.5}, 35.0)
    split = geo_split(scenes, {"val": 0.5}, 29.9)
    assert {tuple(names) for names in split.values()} == {("s0", "s10"), ("s40", "s60")}
    with pytest.raises(DataError, match="No gap works"):
        geo_split(scenes[:1], {"val": 0.5}, 5.0)


@pytest.mark.parametrize(
    ("shares", "gap_m", "message"),
    [
        ({"val": 1.2}, 5.0, "val 1.2"),
        ({"val": 0.6, "test": 0.4}, 5.0, "leave something"),
        ({"val": 0.2}, -1.0, "-1.0 m; expected 0 or more"),
    ],
)
def test_options_that_make_no_sense(shares: dict[str, float], gap_m: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        geo_split([], shares, gap_m)


def test_the_command_writes_lists_that_others_read(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both scenes of the tiny data set are on one road: no gap, but a random split."""
    out = tmp_path / "lists"
    command = ["split", str(tiny), "--out", str(out), "--val", "0.5"]
    assert main([*command, "--geo"]) == 2
    assert "2 scenes cannot be divided into val 0.5" in capsys.readouterr().err
    assert main(command) == 0
    assert "100.0 % within 5 m" in capsys.readouterr().out
    lists = [scene_names([str(out / f"{name}.txt")]) for name in ("train", "val")]
    assert [len(names) for names in lists] == [1, 1]
    assert set(lists[0]).isdisjoint(lists[1])
    check = ["check", str(tiny), "--files", "none", "--training-scenes", str(out / "train.txt")]
    main([*check, "--held-out-scenes", str(out / "val.txt")])
    assert "overlap of --held-out-scenes with --training-scenes: 100.0 %" in capsys.readouterr().out

"""Labelled scenes: nested, spread over places, those that choose rates at the end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mim4d.data.driven_places import ScenePlaces
from mim4d.study.label_efficiency.scenes import Scenes, divide, spread_order


def _scene(name: str, x: float, location: str = "a") -> ScenePlaces:
    return ScenePlaces(name, location, np.array([[x, 0.0], [x + 2, 0.0]]))


LINE = [_scene(f"s{i}", 100.0 * i) for i in range(9)]
TOWNS = [_scene(f"{town}{i}", 100.0 * i, town) for town in "ab" for i in range(4)]


def _divided(places: list[ScenePlaces], split: Path, **options: Any) -> Scenes:
    return divide(Path("data"), "v1.0-mini", places, str(split), 30.0, **options)


def test_the_first_scenes_are_far_apart() -> None:
    """On a line of nine, the second scene is an end and the third the other, or the middle."""
    order = spread_order(LINE, "0")
    assert sorted(order) == [scene.name for scene in LINE]
    first = [int(name[1:]) for name in order[:3]]
    assert min(abs(a - b) for a in first for b in first if a != b) >= 3


def test_towns_take_turns() -> None:
    order = spread_order(TOWNS, "1")
    for count in (2, 4, 6, 8):
        towns = [name[0] for name in order[:count]]
        assert towns.count("a") == towns.count("b")


def test_seeds_choose_other_scenes_and_one_seed_always_the_same() -> None:
    orders = {tuple(spread_order(LINE, str(seed))) for seed in range(6)}
    assert len(orders) > 1
    assert spread_order(LINE[::-1], "3") == spread_order(LINE, "3")


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    (tmp_path / "train.txt").write_text("\n".join(s.name for s in LINE[:7]))
    (tmp_path / "val.txt").write_text("s7\ns8\n")
    return tmp_path


def test_fewer_labels_are_the_first_of_more(lists: Path) -> None:
    scenes = _divided(LINE, lists)
    assert (len(scenes.training), scenes.held_out) == (7, ("s7", "s8"))
    for seed in (0, 1):
        whole = scenes.labelled(7, seed)
        assert all(scenes.labelled(count, seed) == whole[:count] for count in range(1, 7))
        assert whole[-1:] == scenes.development
    assert scenes.searching(scenes.labelled(7, 0)) == scenes.labelled(6, 0)
    assert scenes.searching(scenes.labelled(2, 0)) == scenes.labelled(2, 0)


def test_overlap_is_declared(lists: Path) -> None:
    assert _divided(LINE, lists).overlap == 0
    near = [*LINE[:7], _scene("s7", 300.0), LINE[8]]
    assert _divided(near, lists).overlap == 0.5


def test_scenes_in_both_parts_are_refused_but_to_see_that_it_runs(lists: Path) -> None:
    (lists / "val.txt").write_text("s0\ns8\n")
    with pytest.raises(ValueError, match=r"1 scenes are for training and for judging \(s0\)"):
        _divided(LINE, lists)
    assert _divided(LINE, lists, same_allowed=True).held_out == ("s0", "s8")


def test_lists_may_be_json_and_must_name_known_scenes(tmp_path: Path) -> None:
    file = tmp_path / "split.json"
    file.write_text('{"train": ["s0", "s1"], "val": ["s2"]}')
    assert _divided(LINE, file).training == ("s0", "s1")
    file.write_text('{"train": ["s0", "s1"], "val": ["elsewhere"]}')
    with pytest.raises(ValueError, match=r"1 scenes are not in data \(elsewhere\)"):
        _divided(LINE, file)
    file.write_text('{"train": ["s0"]}')
    with pytest.raises(ValueError, match="expected JSON with lists of scenes"):
        _divided(LINE, file)
    with pytest.raises(ValueError, match="no such file or folder"):
        _divided(LINE, tmp_path / "none")


def test_one_training_scene_is_too_few(tmp_path: Path) -> None:
    file = tmp_path / "split.json"
    file.write_text('{"train": ["s0"], "val": ["s2"]}')
    with pytest.raises(ValueError, match="needs two at least"):
        _divided(LINE, file)


def test_by_place_nothing_held_out_is_near() -> None:
    scenes = _divided(LINE, Path("geo"))
    assert scenes.overlap == 0
    assert len(scenes.held_out) == 2

import json
from itertools import pairwise
from pathlib import Path

import pytest

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import (
    SceneChoice,
    fraction_of,
    official_splits,
    resolve_split,
    scene_names,
)
from mim4d.errors import DataError


def test_the_official_lists_are_complete_and_disjoint() -> None:
    splits = official_splits()
    counts = {name: len(scenes) for name, scenes in splits.items()}
    assert counts == {"train": 700, "val": 150, "test": 150, "mini_train": 8, "mini_val": 2}
    assert len(splits["train"] | splits["val"] | splits["test"]) == 1000
    assert splits["mini_train"] | splits["mini_val"] <= splits["train"] | splits["val"]
    assert not splits["mini_train"] & splits["mini_val"]


@pytest.mark.parametrize(
    ("split", "scenes", "others"),
    [
        ("train", ["scene-0001", "scene-0011", "scene-0570", "scene-1110"], ["scene-0003"]),
        ("val", ["scene-0003", "scene-0796", "scene-1073"], ["scene-0776", "scene-0918"]),
        ("test", ["scene-0077", "scene-0842", "scene-1043"], ["scene-0605", "scene-1044"]),
        ("mini_train", ["scene-0061", "scene-0553", "scene-1100"], ["scene-0103"]),
        ("mini_val", ["scene-0103", "scene-0916"], []),
    ],
)
def test_known_members(split: str, scenes: list[str], others: list[str]) -> None:
    members = official_splits()[split]
    assert set(scenes) <= members
    assert not set(others) & members


def test_the_data_sets_own_list_comes_first(tmp_path: Path) -> None:
    (tmp_path / "splits.json").write_text(json.dumps({"train": ["scene-0061"], "val": []}))
    names = ["scene-0061", "scene-0103"]
    split = resolve_split(tmp_path, "v1.0-mini", names, "train")
    assert (split.scenes, split.origin) == (["scene-0061"], "splits.json")
    with pytest.raises(DataError, match="names no scene of split 'val'"):
        resolve_split(tmp_path, "v1.0-mini", names, "val")


def test_official_lists_by_version(tmp_path: Path) -> None:
    names = ["scene-0103", "scene-0061", "scene-0553"]
    mini = resolve_split(tmp_path, "v1.0-mini", names, "train")
    assert (mini.scenes, mini.origin) == (["scene-0061", "scene-0553"], "official")
    assert "mini_train, 2 of 8 scenes" in mini.note
    full = resolve_split(tmp_path, "v1.0-trainval", names, "val")
    assert full.scenes == ["scene-0103", "scene-0553"]
    assert resolve_split(tmp_path, "v1.0-trainval", names, "mini_val").scenes == ["scene-0103"]
    everything = sorted(official_splits()["val"])
    assert "all 150 scenes" in resolve_split(tmp_path, "v1.0-trainval", everything, "val").note


def test_official_lists_that_do_not_apply(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no split 'trane'; nuScenes has train"):
        resolve_split(tmp_path, "v1.0-mini", ["scene-0061"], "trane")
    with pytest.raises(DataError, match="it has scenes of: test"):
        resolve_split(tmp_path, "v1.0-test", ["scene-0077"], "val")
    # The same version name, but a scene that nuScenes does not have: not nuScenes.
    split = resolve_split(tmp_path, "v1.0-mini", ["scene-0061", "mine"], "train")
    assert (split.scenes, split.origin) == (["scene-0061", "mine"], "all")


def test_without_any_list_a_split_is_everything_and_says_so(tmp_path: Path) -> None:
    split = resolve_split(tmp_path, "v1.0", ["b", "a"], "val")
    assert (split.scenes, split.origin) == (["b", "a"], "all")
    assert "no splits.json" in split.note
    with pytest.raises(DataError, match=r"no splits\.json"):
        resolve_split(tmp_path, "v1.0", ["a"], "night")


def test_fractions_are_nested_and_depend_on_the_seed_alone() -> None:
    names = [f"scene-{i:04d}" for i in range(200)]
    parts = [fraction_of(names, share, seed=3) for share in (0.1, 0.2, 0.5, 1.0)]
    assert [len(part) for part in parts] == [20, 40, 100, 200]
    for smaller, larger in pairwise(parts):
        assert set(smaller) <= set(larger)
        assert smaller == sorted(smaller)
    assert set(fraction_of(names[::-1], 0.1, seed=3)) == set(parts[0])
    assert fraction_of(names, 0.1, seed=4) != parts[0]
    assert len(fraction_of(names[:3], 0.01, seed=0)) == 1
    # Written down once: a change of the ranking would change published experiments.
    assert fraction_of(names[:10], 0.3, seed=0) == ["scene-0002", "scene-0003", "scene-0008"]


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5, float("nan")])
def test_a_senseless_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction of scenes"):
        SceneChoice(fraction=fraction)


def test_scenes_from_options_and_files(tmp_path: Path) -> None:
    path = tmp_path / "night.txt"
    path.write_text("scene-1\n\n# by hand\nscene-2  # rain\n")
    assert scene_names(["scene-0", str(path)]) == ("scene-0", "scene-1", "scene-2")
    path.write_text("# nothing\n")
    with pytest.raises(ValueError, match="names no scene"):
        scene_names([str(path)])
    with pytest.raises(ValueError, match="cannot be read"):
        scene_names([str(tmp_path / "other.txt")])
    with pytest.raises(ValueError, match="more than once: a"):
        SceneChoice(names=("a", "b", "a"))


def test_a_data_set_takes_a_choice(tiny_original: Path) -> None:
    choice = SceneChoice(fraction=0.5, seed=1)
    data = NuscenesDataset(tiny_original, frames=3, image_hw=(32, 64), scenes=choice)
    assert {data.scene_name(i) for i in range(len(data))} == {"tiny-0"}
    choice = SceneChoice(names=("tiny-1", "tiny-9"))
    with pytest.raises(DataError, match="tiny-9"):
        NuscenesDataset(tiny_original, frames=3, image_hw=(32, 64), scenes=choice)

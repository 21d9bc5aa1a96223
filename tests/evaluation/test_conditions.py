"""Weather and light by the words of nuScenes' descriptions."""

from pathlib import Path

from mim4d.data.tables.tables import NuscenesTables
from mim4d.evaluation.conditions import conditions_of_scenes
from tests.data.tiny_dataset import edit_table, write_tiny_dataset


def test_words_of_the_descriptions_make_the_conditions(tmp_path: Path) -> None:
    root = write_tiny_dataset(tmp_path / "data")
    names = NuscenesTables.open(root, cache_dir=tmp_path / "a").scene_names
    assert conditions_of_scenes(NuscenesTables.open(root, cache_dir=tmp_path / "a")) == {}
    edit_table(root, "scene", lambda rows: rows[0].update(description="Night, Rain, peds"))
    tables = NuscenesTables.open(root, cache_dir=tmp_path / "b")
    assert conditions_of_scenes(tables) == {names[0]: "rain and night", names[1]: "dry, by day"}

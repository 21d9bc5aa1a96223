"""What can be known of a command at once refuses nothing that the command could do."""

from pathlib import Path

import pytest

from mim4d.cli import at_once
from mim4d.config.as_json import config_to_json
from mim4d.config.presets import preset


def test_an_exported_folder_has_the_weights_of_a_finished_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config_to_json(preset("toy")))
    with pytest.raises(ValueError, match="has not finished"):
        at_once.run_folder(tmp_path, finished=True)
    (tmp_path / "model.safetensors").touch()
    assert at_once.run_folder(tmp_path, finished=True).preset == "toy"

"""What a task's trunk takes from a run or a file, part by part, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from mim4d.build.pretraining import build_model
from mim4d.build.tasks import build_task
from mim4d.build.trunk import build_video_encoder
from mim4d.config import PretrainConfig
from mim4d.config.as_json import config_to_json
from mim4d.config.presets import preset, task_preset
from mim4d.exchange.export.own import to_safetensors
from mim4d.runs.checkpoint import ENCODER_FILE, checkpoint_path
from mim4d.runs.transfer import PartTransfer, transfer
from mim4d.tasks.model import TaskModel

CONFIG = task_preset("toy", "vehicles")


def _model() -> TaskModel:
    torch.manual_seed(0)
    return build_task(CONFIG)[1]


def _weights(config: PretrainConfig | None = None) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return build_video_encoder(config or preset("toy")).state_dict()


def _save(weights: dict[str, Tensor], path: Path) -> Path:
    save_file(weights, path)
    return path


def _message(source: Path) -> str:
    model = _model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="--init") as error:
        transfer(model, CONFIG, source)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    return str(error.value)


def test_a_run_whose_encoder_is_damaged_is_refused(pretraining: Path) -> None:
    (pretraining / ENCODER_FILE).write_bytes(b"x")
    assert f"{pretraining / ENCODER_FILE}: cannot be read as safetensors" in _message(pretraining)


def test_all_of_a_run_folder(pretraining: Path) -> None:
    weights = _weights()
    _save(weights, pretraining / ENCODER_FILE)
    model = _model()
    done = transfer(model, CONFIG, pretraining)
    assert all(torch.equal(v, weights[k]) for k, v in model.encoder.state_dict().items())
    assert [(part.left, part.new) for part in done.parts.values()] == [(0, 0)] * 4 + [(0, 11)]
    assert sum(part.taken for part in done.parts.values()) == len(weights)
    assert done.differences == []
    assert str(done).splitlines()[1].split() == [
        "image",
        "encoder",
        "58",
        "taken",
        "0",
        "left",
        "0",
        "new",
    ]


def test_parts_of_a_source(tmp_path: Path) -> None:
    """One weight of the neck is missing, one of the depth head is unknown here."""
    weights = _weights()
    gone = next(name for name in weights if name.startswith("neck."))
    del weights[gone]
    weights["depth_head.more.weight"] = torch.ones(2)
    model = _model()
    before = model.encoder.state_dict()[gone].clone()
    parts = transfer(model, CONFIG, _save(weights, tmp_path / "w.safetensors")).parts
    assert parts["neck"] == PartTransfer(7, 0, 1)
    assert parts["depth head"] == PartTransfer(9, 1, 0)
    assert parts["volume convolution"] == PartTransfer(4, 0, 0)
    assert torch.equal(model.encoder.state_dict()[gone], before)


def test_an_exported_file(tmp_path: Path) -> None:
    """With its configuration, whose other options are said."""
    config = preset("toy")
    config = replace(config, grid=replace(config.grid, upper_m=(40.0, 32.0, 5.0)))
    encoder = build_video_encoder(config)
    exported = to_safetensors(encoder, config)
    save_file(exported.weights, tmp_path / "e.safetensors", exported.metadata)
    model = _model()
    done = transfer(model, CONFIG, tmp_path / "e.safetensors")
    assert done.differences == ["grid.upper_m ([40.0, 32.0, 5.0] / [32.0, 32.0, 5.0])"]
    assert "other options there / here: grid.upper_m" in str(done)


def test_weights_of_another_shape_are_refused_with_both_shapes(tmp_path: Path) -> None:
    config = preset("toy")
    wider = replace(config, encoder=replace(config.encoder, neck_channels=16))
    text = _message(_save(_weights(wider), tmp_path / "w.safetensors"))
    assert "have another shape" in text
    assert "neck." in text
    assert "there" in text
    assert "--encoder.*" in text


def test_nothing_taken_is_an_error(tmp_path: Path) -> None:
    text = _message(_save({"stem.weight": torch.ones(1)}, tmp_path / "w.safetensors"))
    assert "none of its 1 weights" in text
    assert "--encoder.weights-file" in text


def test_sources_that_are_none(tmp_path: Path) -> None:
    assert "not found" in _message(tmp_path / "nowhere")
    (tmp_path / "text.safetensors").write_text("no weights")
    assert "cannot be read as safetensors" in _message(tmp_path / "text.safetensors")


def test_an_unfinished_run_and_no_run(pretraining: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has not finished"):
        transfer(_model(), CONFIG, pretraining)
    with pytest.raises(ValueError, match="not a run folder"):
        transfer(_model(), CONFIG, tmp_path)


def test_the_temporal_decoder_comes_from_a_run_folder_alone(pretraining: Path) -> None:
    """Its weights lie in the checkpoint, not in what is exported."""
    config = replace(CONFIG, clip=replace(CONFIG.clip, frames=3, key=2), join="decoder")
    torch.manual_seed(0)
    model = build_task(config)[1]
    _save(_weights(), pretraining / ENCODER_FILE)
    assert transfer(model, config, pretraining).parts["temporal decoder"].taken == 0
    torch.manual_seed(1)
    theirs = {f"model.{k}": v for k, v in build_model(preset("toy")).state_dict().items()}
    path = checkpoint_path(pretraining, 1)
    path.parent.mkdir()
    torch.save({"mim4d_config": config_to_json(preset("toy")), "state_dict": theirs}, path)
    done = transfer(model, config, pretraining)
    assert done.parts["temporal decoder"].new == 0 < done.parts["temporal decoder"].taken
    weights = model.join.state_dict()
    assert all(torch.equal(v, theirs[f"model.{k}"]) for k, v in weights.items())
    assert done.taken == {n for n in model.state_dict() if not n.startswith("head.")}


def test_a_part_alone_leaves_the_others_new(pretraining: Path) -> None:
    weights = _weights()
    _save(weights, pretraining / ENCODER_FILE)
    model, before = _model(), _model().state_dict()
    done = transfer(model, CONFIG, pretraining, ["image encoder", "neck"])
    assert {name: part.taken > 0 for name, part in done.parts.items()} == {
        "image encoder": True,
        "neck": True,
        "depth head": False,
        "volume convolution": False,
        "head": False,
    }
    own = model.encoder.state_dict()
    for name, value in own.items():
        taken = name.startswith(("image_encoder.", "neck."))
        assert torch.equal(value, weights[name] if taken else before[f"encoder.{name}"])

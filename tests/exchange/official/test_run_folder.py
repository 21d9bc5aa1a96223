"""An imported model is a run like ours: rendered, evaluated, continued and written back."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mim4d.cli import main
from mim4d.config.head import QueryHeadConfig
from mim4d.data.tables.tables import NuscenesTables
from mim4d.evaluation import evaluate_run
from mim4d.exchange.official.checkpoint_layout import read_layout, square_side
from mim4d.exchange.official.run_folder import import_official, read_official_state
from mim4d.exchange.official.translate import OFFICIAL_CLASSES
from mim4d.metrics.detection.rules import CLASSES
from mim4d.runs.loading import load_encoder, load_model, load_task
from mim4d.runs.record import read_config, was_trained_on
from mim4d.training.loop import pretrain
from tests.data.tiny_dataset import write_tiny_dataset
from tests.exchange.official.conftest import State, metres_of, save
from tests.parity import GoldenFile

pytestmark = pytest.mark.slow  # whole runs


@pytest.fixture(autouse=True)
def table_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(checkpoint: Path, tmp_path: Path) -> Path:
    import_official(checkpoint, tmp_path / "run", metres_of=metres_of)
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["pretrain_full_a.in", "pretrain_full_b.in", "finetune_full_a"])
def test_import_export_import_gives_the_same_bits(
    golden: Callable[[str], GoldenFile], tmp_path: Path, name: str
) -> None:
    state = golden(name).part("weights")
    import_official(save(state, tmp_path / "a.pth"), tmp_path / "a", metres_of=metres_of)
    back = read_official_state(tmp_path / "a")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], value) for key, value in state.items())
    import_official(save(back, tmp_path / "b.pth"), tmp_path / "b", metres_of=metres_of)
    first, second = (load_encoder(tmp_path / name).state_dict() for name in "ab")
    assert all(torch.equal(second[key], value) for key, value in first.items())


def test_an_imported_run_is_rendered_evaluated_and_continued(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_tiny_dataset(tmp_path / "data")
    options = ["--data", str(data), "--stride", "32", "--clips", "1"]
    assert main(["render", str(run), *options]) == 0
    assert len(list((run / "renders").glob("*.png"))) == 1
    evaluation = evaluate_run(run, data, stride=32, max_clips=1, baselines=False)
    assert {"direct", "rebuilt"} <= set(evaluation.rows)
    assert evaluation.held_out

    config = read_config(run)
    config = replace(
        config,
        optim=replace(config.optim, steps=1, lr=1e-6),
        render=replace(config.render, rays_per_camera=4, num_samples=6, num_importance=4),
    )
    pretrain(config, data, tmp_path / "more", start_from=run, progress=False, workers=0)
    before, after = (load_model(folder)[0].state_dict() for folder in (run, tmp_path / "more"))
    assert before.keys() == after.keys()
    name = "encoder.image_encoder.stages.3.blocks.0.mlp.fc1.weight"
    assert not torch.equal(before[name], after[name])
    torch.testing.assert_close(before[name], after[name], atol=1e-4, rtol=0)
    frozen = "encoder.image_encoder.stem.0.weight"
    assert torch.equal(before[frozen], after[frozen])
    record = json.loads((tmp_path / "more" / "record.json").read_text())
    assert record["start_from"] == str(run)
    official = read_official_state(tmp_path / "more")
    assert "pts_bbox_head.render_conv.0.weight" not in official

    with pytest.raises(ValueError, match=r"holds an imported model.*--start-from"):
        pretrain(config, data, run, resume=True)
    capsys.readouterr()


def never_read(state: State) -> str:
    """Pattern of the weights that the authors' forward never reads."""
    levels = read_layout({name: value.shape for name, value in state.items()}).levels
    unread = "".join(str(stage) for stage in range(4) if stage not in levels)
    stages = rf"|img_backbone\.(norm|mtoken)[{unread}]" if unread else ""
    return rf"pts_bbox_head\.render_conv\.|.*\.laplace_density\.{stages}"


def test_the_folder_tells_where_it_comes_from(run: Path, checkpoint: Path, state: State) -> None:
    record = json.loads((run / "record.json").read_text())
    assert record["imported"]["file"] == str(checkpoint)
    assert record["imported"]["weights"] == "raw"
    anywhere = NuscenesTables(Path("anywhere"), "v1.0", {"index": {"channel": np.array([], "S1")}})
    assert was_trained_on(run, anywhere, ["scene-0061"])  # of nuScenes' training split
    assert not was_trained_on(run, anywhere, ["scene-0003"])
    lines = (run / "import.txt").read_text().splitlines()
    assert len(lines) == len(state)
    neck = "img_neck.lateral_convs.0.conv.bias"
    size = len(state[neck])
    assert f"mapped  {neck} ({size},) -> encoder.neck.laterals.0.bias" in lines
    dead = [name for name in state if re.match(never_read(state), name)]
    assert sum(line.startswith("dead ") for line in lines) == len(dead) > 0


def test_averaged_weights_by_option(state: State, tmp_path: Path) -> None:
    averages = {f"ema_{k.replace('.', '_')}": v + 1 for k, v in state.items() if "running" not in k}
    averages.pop("ema_render_conv_1_num_batches_tracked")
    averages.pop("ema_pts_bbox_head_render_conv_1_num_batches_tracked")
    file = save(state | averages, tmp_path / "both.pth")
    name = "encoder.neck.laterals.0.bias"
    for weights, by in (("raw", 0), ("ema", 1)):
        report = import_official(file, tmp_path / weights, weights, metres_of)  # type: ignore[arg-type]
        model, _ = load_model(tmp_path / weights)
        expected = state["img_neck.lateral_convs.0.conv.bias"] + by
        assert torch.equal(model.state_dict()[name], expected)
        assert ("unused ema_*" in report) == (weights == "raw")


@pytest.mark.parametrize("name", ["finetune_full_a", "finetune_full_b"])
def test_a_detector_is_imported_whole(
    golden: Callable[[str], GoldenFile], tmp_path: Path, name: str
) -> None:
    """No key is unused; the folder holds a run of the task, whose weights are the file's."""
    file = golden(name)
    state, run = file.part("weights"), tmp_path / "run"
    report = import_official(save(state, tmp_path / "d.pth"), run, metres_of=metres_of)
    assert report.startswith("detector: ")
    assert "unused" not in report
    model, task, config = load_task(run)
    assert isinstance(config.head, QueryHeadConfig)
    stored = state["pts_bbox_head.code_weights"]
    torch.testing.assert_close(torch.tensor(config.head.code_weights), stored)
    bias = state["pts_bbox_head.cls_branches.1.6.bias"]
    ours = model.get_parameter("head.decoder.class_branches.1.6.bias")
    assert torch.equal(ours[CLASSES.index("bus")], bias[OFFICIAL_CLASSES.index("bus")])
    weights = load_encoder(run).state_dict()
    assert torch.equal(weights["neck.laterals.0.bias"], state["img_neck.lateral_convs.0.conv.bias"])
    assert type(task).__name__ == "Detection"


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def break_file(kind: str, state: State, file: Path, trace: Path) -> None:
    match kind:
        case "hostile":
            torch.save({"state_dict": state, "meta": Hostile(trace)}, file)
        case "truncated":
            save(state, file)
            file.write_bytes(file.read_bytes()[:9_000])
        case "wrong shape":
            longer = torch.zeros(len(state["render_conv.0.bias"]) + 1)
            save(state | {"render_conv.0.bias": longer}, file)
        case "renamed key":
            value = state.pop("history_decoder.proj.1.weight")
            save(state | {"history_decoder.projection.1.weight": value}, file)
        case "something else":
            torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, file)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("hostile", "holds more than tensors"),
        ("truncated", "it is damaged"),
        ("wrong shape", "render_conv.0.bias does not fit the other keys"),
        ("renamed key", "unknown keys (1): history_decoder.projection.1.weight"),
        ("something else", "not a MIM4D model of the authors' release"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_written(
    state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, reason: str
) -> None:
    file, out = tmp_path / "odd.pth", tmp_path / "new" / "run"
    break_file(kind, state, file, tmp_path / "trace")
    assert main(["import-official", str(file), "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert str(file) in line
    assert reason in line
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["odd.pth"]


def test_the_command_says_what_became_of_the_file(
    checkpoint: Path, state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = read_layout({name: value.shape for name, value in state.items()})
    assert layout.decoder is not None
    side = square_side(layout.decoder.num_cells)
    height = layout.decoder.channels // layout.volume_channels
    frames = layout.decoder.num_sources + 1
    out = tmp_path / "run"
    options = ["--out", str(out), "--frame-interval-s", "None"]
    assert main(["import-official", str(checkpoint), *options]) == 0
    said = capsys.readouterr().out
    assert f", {frames} frames, lifting by lookup, {side} × {side} × {height} voxels" in said
    assert "mapped history_decoder" in said
    assert "a copy of render_conv that the forward never calls" in said
    assert read_config(out).clip.frame_interval_s is None
    assert main(["import-official", str(checkpoint), *options]) == 2
    assert "already exists and is not an empty folder" in capsys.readouterr().err

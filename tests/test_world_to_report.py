"""The user's path on a small world: make, look, train, measure, draw, use."""

import json
import runpy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import mim4d
from mim4d.build.data import build_dataset
from mim4d.cli import main, run_demo_tasks
from mim4d.config import AugmentConfig, FlowConfig, GridConfig, OptimConfig, TaskConfig
from mim4d.config.as_json import config_to_json
from mim4d.config.presets import task_preset
from mim4d.evaluation import exact_volume, floors_and_ceilings
from mim4d.study.ablation.downstream import downstream_iou
from mim4d.study.bench import step as bench
from tests.conftest import ROOT
from tests.data.tiny_dataset import edit_table
from tests.toy import toy_config

_SCRIPT = runpy.run_path(str(ROOT / "scripts" / "run_notebooks.py"))
NOTEBOOKS, RUN_NOTEBOOK = _SCRIPT["NOTEBOOKS"], _SCRIPT["run_notebook"]

pytest.importorskip("embreex", reason="the embedded world needs mim4d[world]")

pytestmark = pytest.mark.slow  # whole runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of 2 + 1 scenes and a run of four steps on it, made by the commands themselves."""
    folder = tmp_path_factory.mktemp("path")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(folder / "cache"))
        world = ["world", str(folder / "world"), "--scenes", "2", "--held-out", "1"]
        world += ["--samples-per-scene", "3", "--image-size", "64", "96", "--workers", "1"]
        assert main(world) == 0
        config = replace(toy_config(), optim=OptimConfig(steps=4, warmup_steps=1))
        config = replace(config, loss=replace(config.loss, depth_weight=1.0))
        (folder / "config.json").write_text(config_to_json(config))
        train = ["pretrain", str(folder / "config.json"), "--data", str(folder / "world")]
        assert main([*train, "--out", str(folder / "run"), "--device", "cpu"]) == 0
    return folder


@pytest.fixture(autouse=True)
def table_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(folder / "cache"))


def test_training_never_sees_held_out_scenes(folder: Path) -> None:
    config = toy_config()
    train, held_out = (
        build_dataset(config, folder / "world", "train"),
        build_dataset(config, folder / "world", "val"),
    )
    scenes = [{d.scene_name(i) for i in range(len(d))} for d in (train, held_out)]
    assert scenes[0] == {"scene-2000", "scene-2001"}
    assert scenes[1] == {"scene-8000"}
    record = json.loads((folder / "run" / "record.json").read_text())
    assert set(record["training_scenes"]) == scenes[0]


def test_training_does_not_need_the_truth(folder: Path, tmp_path: Path) -> None:
    """Exact distances are for evaluation: without their folder every loss is the same."""
    (folder / "world" / "truth").rename(tmp_path / "truth")
    try:
        train = ["pretrain", str(folder / "config.json"), "--data", str(folder / "world")]
        assert main([*train, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    finally:
        (tmp_path / "truth").rename(folder / "world" / "truth")
    losses = [
        [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (folder / "run", tmp_path / "run")
    ]
    assert losses[0] == losses[1]


def test_view_draws_the_world(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "view.png"
    assert main(["view", str(folder / "world"), "--out", str(out)]) == 0
    assert out.stat().st_size > 20_000


def test_evaluate_prints_and_saves_every_row(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["evaluate", str(folder / "run"), "--data", str(folder / "world"), "--stride", "8"]
    assert main([*argv, "--json", str(tmp_path / "numbers.json")]) == 0
    table = capsys.readouterr().out
    assert "held-out" in table
    saved = json.loads((folder / "run" / "evaluation.json").read_text())
    assert json.loads((tmp_path / "numbers.json").read_text()) == saved
    assert set(saved["rows"]) == {
        "pixel_mean",
        "pixel_median",
        "flat_ground",
        "untrained",
        "untrained_rebuilt",
        "depth_head",
        "direct",
        "rebuilt",
        "copied",
        "averaged",
        "exact_depth",
    }
    assert saved["held_out"]
    assert set(saved["masked"]["rows"]) == {
        "pixel_mean",
        "pixel_median",
        "untrained",
        "depth_head",
        "direct",
    }
    references = saved["colour_references"]
    assert references["blocks_8"]["psnr_db"] > references["image_mean"]["psnr_db"]
    assert [verdict["row"] for verdict in saved["headline"]] == ["direct", "direct", "rebuilt"]
    assert all(f"{row['abs_rel']:.3f}" in table for row in saved["rows"].values())
    assert len({row["num_pixels"] for row in saved["rows"].values()}) == 1
    assert saved["moving_by"] == "exact scene flow"
    for name, row in saved["rows"].items():
        assert row["metric"]["everywhere"]["over_pixels"]["num_pixels"] == row["num_pixels"]
        assert (
            sum(e["num_pixels"] for e in row["metric"]["by_range"].values() if e)
            == (row["num_pixels"])
        )
        without = ("pixel_mean", "pixel_median", "flat_ground", "depth_head")
        seen_by_a_model = name not in without
        assert (row["psnr_db"] is not None) == seen_by_a_model
        assert (len(row["occupancy"]) == 2) == seen_by_a_model


def test_data_without_training_scenes_are_evaluated_without_what_is_usual_there(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = shutil.copytree(folder / "run", tmp_path / "run")
    world = Path(shutil.copytree(folder / "world", tmp_path / "world"))
    (world / "splits.json").write_text('{"train": [], "val": ["scene-8000"]}')
    argv = ["evaluate", str(run), "--data", str(world), "--stride", "16", "--clips", "1"]
    assert main([*argv, "--device", "cpu"]) == 0
    rows = json.loads((run / "evaluation.json").read_text())["rows"]
    assert {"flat_ground", "direct"} <= set(rows)
    assert not {"pixel_mean", "pixel_median"} & set(rows)
    assert "no rows of the mean and median distance of training scenes" in caplog.text


def test_ceilings_have_their_row(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_volume, "FIT_STEPS", 3)
    run = shutil.copytree(folder / "run", tmp_path / "run")
    argv = ["evaluate", str(run), "--data", str(folder / "world"), "--stride", "16"]
    assert main([*argv, "--clips", "1", "--ceilings"]) == 0
    row = json.loads((run / "evaluation.json").read_text())["rows"]["exact_volume"]
    assert row["num_pixels"] > 0
    assert row["psnr_db"] > 0


@pytest.mark.parametrize("task", ["bev_segmentation", "detection"])
def test_a_task_stands_beside_its_floor_and_its_ceilings(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    monkeypatch.setattr(floors_and_ceilings, "FIT_STEPS", 2)
    run, data = tmp_path / "run", str(folder / "world")
    argv = ["finetune", task, "toy", "--init", "none", "--data", data, "--out", str(run)]
    assert main([*argv, "--optim.steps", "1", "--device", "cpu", "--workers", "0"]) == 0
    assert main(["evaluate", str(run), "--data", data, "--ceilings"]) == 0
    beside = json.loads((run / "evaluation.json").read_text())["beside"]
    assert {"never looks", "exact depth", "exact surfaces"} <= set(beside)
    if task == "detection":
        standing = beside["this run, velocity 0"]
        assert standing["mean_ap"] == json.loads((run / "evaluation.json").read_text())["mean_ap"]
    else:
        assert beside["never looks"]["drivable_area"]["IoU"] > 0.1


def _study(folder: Path, out: Path, *more: str) -> list[str]:
    argv = ["study", "--data", str(folder / "world"), "--pretrained", str(folder / "run")]
    argv += ["--out", str(out), "--quick", "--steps", "1", "--clips", "1", "--rungs", "frozen"]
    return [*argv, "--labels", "1", "--device", "cpu", *more]


def test_the_demo_of_tasks_trains_every_arm_on_augmented_clips(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo's colours change from clip to clip, so frozen arms can keep no volumes."""

    def augmented(name: str, task: str) -> TaskConfig:
        assert name == "toy", "the arms have the trunk of the pre-training"
        return replace(task_preset(name, task), augment=AugmentConfig(brightness=0.2))

    monkeypatch.setattr(run_demo_tasks, "task_preset", augmented)
    for name in ("world", "run"):
        (tmp_path / name).symlink_to(folder / name)
    assert main(["demo-tasks", str(tmp_path), "--steps", "1"]) == 0
    page = (tmp_path / "tasks.html").read_text()
    assert all(arm.name in page for arm in run_demo_tasks.ARMS)
    assert (tmp_path / "tasks" / "pretrained" / "encoder.safetensors").is_file()


def test_a_study_is_planned_run_interrupted_and_the_same_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    argv = _study(folder, out, "--arms", "random", "depth_only", "exact_depth")
    seen = tmp_path / "seen.json"
    seen.write_text('{"train": ["scene-2000", "scene-8000"], "val": ["scene-2001"]}')
    assert main([*argv, "--plan", "--split", str(seen)]) == 0
    said = capsys.readouterr().out
    assert "1 of the 1 held-out scenes were in the pre-training, without labels" in said
    assert "in all 17 runs, 12 of them to choose learning rates" in said
    assert not out.exists()
    assert main(argv) == 0
    table = capsys.readouterr().out
    assert "depth cross-entropy alone" in table
    assert "no number means anything" in table
    assert "were in the pre-training" not in table
    content = json.loads((out / "study.json").read_text())
    assert [row["arm"] for row in content["rows"]] == ["random", "depth_only", "exact_depth"]
    config = json.loads((out / "depth_only" / "config.json").read_text())
    assert config["loss"]["colour_weight"] == 0
    runs = [out / run["folder"] for run in content["runs"]]
    assert len(runs) >= 4 + 1 + 1 + 4 + 1 + 4 + 1
    given = {path for path in runs if json.loads((path / "config.json").read_text())["given_depth"]}
    assert given == {path for path in runs if path.parent.name == "exact_depth"}
    assert len({path.name for path in runs if "search" in path.name}) >= 4
    # As if killed: one run before it was measured, one before it was finished.
    (runs[-1] / "study.json").unlink()
    (runs[-2] / "encoder.safetensors").unlink()
    for path in (*(out / "depth_only").glob("*.safetensors"), *runs[:3]):
        path.touch()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert main(argv) == 0
    again = json.loads((out / "study.json").read_text())
    for kept, new in zip(content["runs"], again["runs"], strict=True):
        assert {**kept, "seconds": 0} == {**new, "seconds": 0}
    assert [row["score"] for row in content["rows"]] == [row["score"] for row in again["rows"]]
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert all((out / name).is_file() for name in ("study.md", "study.png", "study.html"))


def test_what_would_fail_hours_later_fails_before_the_first_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*more: str) -> str:
        assert main(_study(folder, tmp_path / "out", *more)) == 2
        return capsys.readouterr().err

    assert "has only 2 training scenes" in refused("--labels", "3")
    save_file({"stem.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    weights = ["--arms", "random", "weights", "--weights", str(tmp_path / "other.safetensors")]
    assert "arm weights: encoder weights:" in refused(*weights)
    assert "arm imagenet: its weights are of" in refused("--arms", "random", "imagenet")
    world = tmp_path / "world"
    shutil.copytree(folder / "world", world, ignore=shutil.ignore_patterns("truth", "maps"))
    no_map = refused("--data", str(world), "--tasks", "hd_map")
    assert "task hd_map:" in no_map
    assert "map expansion" in no_map
    half = shutil.copytree(folder / "run", tmp_path / "half")
    (half / "encoder.safetensors").unlink()
    assert "encoder.safetensors" in refused("--pretrained", str(half))
    assert not (tmp_path / "out").exists()


def test_an_ablation_without_labels_for_its_task_is_refused_before_the_first_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = str(folder / "config.json"), tmp_path / "out"

    def refused(world: Path, scenes: int) -> str:
        argv = ["ablate", config, "--data", str(world), "--out", str(out), "--rows", "copy"]
        assert main([*argv, "--downstream", str(scenes), "--device", "cpu"]) == 2
        assert not out.exists()
        return capsys.readouterr().err

    world = folder / "world"
    assert "--downstream 3: the data set has only 2 training scenes" in refused(world, 3)
    lacking = Path(shutil.copytree(world, tmp_path / "world"))
    edit_table(lacking, "category", lambda rows: [row.update(name="animal") for row in rows])
    assert "--downstream 1: task vehicles: the task vehicles needs boxes" in refused(lacking, 1)


def test_a_row_of_an_ablation_learns_vehicles_once(folder: Path, tmp_path: Path) -> None:
    run = shutil.copytree(folder / "run", tmp_path / "run")
    found = downstream_iou(run, folder / "world", 1, None, "cpu")
    assert 0 <= found <= 100
    head = next((run / "downstream" / "runs").rglob("encoder.safetensors"))
    assert head.parts[-3:-1] == ("pretrained", "n1_subset0_seed0")
    written = head.stat().st_mtime_ns
    assert downstream_iou(run, folder / "world", 1, None, "cpu") == found
    assert head.stat().st_mtime_ns == written


@pytest.fixture(scope="module")
def flow_run(folder: Path) -> Path:
    """A run of two steps with scene flow, on a grid fine enough for what moves nearby."""
    config = replace(toy_config(), optim=OptimConfig(steps=2, warmup_steps=1))
    grid, flow = GridConfig(shape_xyz=(48, 48, 4)), FlowConfig(enabled=True)
    config = replace(config, grid=grid, flow=flow)
    (folder / "flow.json").write_text(config_to_json(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(folder / "cache"))
        train = ["pretrain", str(folder / "flow.json"), "--data", str(folder / "world")]
        assert main([*train, "--out", str(folder / "flow"), "--device", "cpu"]) == 0
    return folder / "flow"


def test_scene_flow_is_measured(
    folder: Path, flow_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["evaluate", str(flow_run), "--data", str(folder / "world"), "--stride", "4"]
    assert main(argv) == 0
    table = capsys.readouterr().out
    flow = json.loads((flow_run / "evaluation.json").read_text())["flow"]
    assert set(flow["rows"]) == {"zero", "untrained", "flow"}
    assert flow["truth"] == "exact scene flow"
    own, zero = flow["rows"]["flow"], flow["rows"]["zero"]
    assert flow["points"] == own["near"]["points"] == zero["near"]["points"] > 0
    assert zero["moving"]["normalised_epe"] == zero["near"]["normalised_epe"] == 1.0
    assert flow["normalised_epe"] == own["near"]["normalised_epe"]
    assert f"{flow['normalised_epe']:.3f}" in table
    assert own["standing"]["points"] > 1000


def test_render_draws_held_out_clips(folder: Path, tmp_path: Path) -> None:
    argv = ["render", str(folder / "run"), "--data", str(folder / "world"), "--stride", "8"]
    assert main([*argv, "--clips", "1", "--out", str(tmp_path / "pictures")]) == 0
    pictures = list((tmp_path / "pictures").iterdir())
    assert [picture.suffix for picture in pictures] == [".png"]
    assert "scene-8000" in pictures[0].name


def test_a_short_video_is_made(folder: Path, tmp_path: Path) -> None:
    argv = ["render", str(folder / "run"), "--data", str(folder / "world"), "--stride", "16"]
    assert main([*argv, "--video", str(tmp_path / "film.webp")]) == 0
    with Image.open(tmp_path / "film.webp") as film:
        assert getattr(film, "n_frames", 1) == 2 * 20  # forth and back


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(folder: Path, path: Path) -> None:
    """On another run than the one whose outputs are stored, every picture is drawn again."""
    stored = nbformat.read(path, as_version=4)
    ran = RUN_NOTEBOOK(path, folder / "run", folder / "world")
    assert [_kinds(cell) for cell in ran.cells] == [_kinds(cell) for cell in stored.cells]


def _kinds(cell: Any) -> list[str]:
    """What a cell shows: printed text or pictures, whatever their format."""
    outputs = [output for output in cell.get("outputs", ()) if output.get("name") != "stderr"]
    return [output.output_type for output in outputs]


def test_scene_flow_is_drawn(folder: Path, flow_run: Path, tmp_path: Path) -> None:
    argv = ["render", str(flow_run), "--data", str(folder / "world"), "--stride", "8"]
    assert main([*argv, "--clips", "1", "--out", str(tmp_path)]) == 0
    names = sorted(picture.name for picture in tmp_path.iterdir())
    assert len(names) == 2
    assert names[0] == names[1].removesuffix(".png") + "-flow.png"
    assert (tmp_path / names[0]).stat().st_size > 20_000


def test_training_scenes_are_drawn_and_measured_under_their_name(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = ["--data", str(folder / "world"), "--stride", "16", "--clips", "1", "--split", "train"]
    drawn = [*asked, "--out", str(tmp_path / "pictures")]
    assert main(["render", str(folder / "run"), *drawn]) == 0
    assert "scenes that the run was trained on are drawn" in caplog.text
    shutil.copytree(folder / "run", tmp_path / "run")
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), *asked]) == 0
    assert "1 clip of 1 TRAINING scene," in capsys.readouterr().out


def test_the_encoder_gives_volumes(folder: Path) -> None:
    encoder = mim4d.load_encoder(folder / "run")
    clip = build_dataset(toy_config(), folder / "world", "val")[0]
    assert encoder(clip).shape == (1, 3, 8, 4, 16, 16)


def test_bench_splits_the_step(folder: Path) -> None:
    times = bench.bench_step(toy_config(), folder / "world", 2, None, "cpu")
    assert set(times.stages_s) == set(bench.STAGES)
    named = {"choose", "encode", "lift", "decode", "render", "backward", "optimiser"}
    assert all(times.stages_s[name] > 0 for name in named)
    assert 0.5 * times.step_s < sum(times.stages_s.values()) <= 1.05 * times.step_s
    assert "backward" in str(times)


def test_bench_of_one_big_step_does_nothing_else(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["bench", "step", "toy", "--data", str(folder / "world"), "--steps", "1"]
    assert main([*argv, "--warm-up", "0", "--no-stages"]) == 0
    printed = capsys.readouterr().out
    assert "GiB" in printed
    assert not any(name in printed for name in bench.STAGES)
    assert main([*argv, "--warm-up", "-1"]) == 2
    assert "--warm-up -1: expected 0 or more" in capsys.readouterr().err

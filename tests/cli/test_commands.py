"""The command line: quick help, clear mistakes, and nothing half written."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mim4d.cli import main
from mim4d.cli.commands import COMMANDS
from mim4d.config.presets import PRESETS
from tests.data.tiny_dataset import Rows, edit_table, write_tiny_dataset


def _run(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit status and everything printed."""
    try:
        status = main(argv)
    except SystemExit as leave:
        status = int(leave.code or 0)
    out = capsys.readouterr()
    return status, out.out + out.err


@pytest.mark.slow
def test_help_does_not_import_torch() -> None:
    """Which is what makes it answer in a fraction of a second; mistakes: see test_mistakes.py."""
    asked = ["--help", "bench --help", "pretrain demo --help", "finetune vehicles demo --help"]
    script = (
        "import sys; from mim4d.cli import main\n"
        "for argv in sys.argv[1:]:\n"
        "    try: main(argv.split())\n"
        "    except SystemExit: pass\n"
        "assert not {'torch', 'numba', 'matplotlib'} & set(sys.modules), 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", script, *asked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: mim4d") == len(asked)


@pytest.mark.parametrize(
    ("argv", "status"), [(["bench", "--help"], 0), (["import", "-h"], 0), (["bench"], 2)]
)
def test_a_group_lists_its_members(
    argv: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found, text = _run(argv, capsys)
    assert found == status
    members = [name for name in COMMANDS if name.split()[0] == argv[0]]
    assert len(members) > 1
    assert all(f"  {name} " in text for name in members)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    task = ["vehicles"] if COMMANDS[name].takes_task else []
    preset = ["toy"] if COMMANDS[name].takes_preset else []
    status, text = _run([*name.split(), *task, *preset, "--help"], capsys)
    assert status == 0
    assert f"mim4d {name}" in text


def test_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = _run(["--help"], capsys)
    assert status == 0
    assert all(name in text for name in COMMANDS)


def test_presets_are_listed_in_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    _, text = _run(["pretrain", "--help"], capsys)
    listed = [line for line in text.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in listed] == list(PRESETS)
    assert len({line.index(line.split()[1], 2 + len(line.split()[0])) for line in listed}) == 1
    assert max(map(len, listed)) <= 100


PRETRAIN_TOY = ["pretrain", "toy", "--data", "x", "--out", "y"]
FINETUNE_TOY = ["finetune", "vehicles", "toy", "--data", "x", "--out", "y"]
ABLATE_TOY = ["ablate", "toy", "--data", "x", "--out", "y"]


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["pretrian"], ["pretrian", "pretrain"]),
        (["world", "out", "--sceens", "3"], ["--sceens", "--scenes"]),
        (["pretrain", "demoo", "--data", "x", "--out", "y"], ["demoo", "demo", "toy"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--mask.rato", "1"], ["--mask.ratio"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--mask.ratio", "3"], ["mask.ratio"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--clip.frames", "1"], ["clip.frames"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--clip.frames", "2"], ["inner"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--checkpoint-every", "0"], ["every"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--temporal.reduction", "0"], ["reduc"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--render.hidden", "0"], ["hidden"]),
        (["pretrain", "toy", "--data", "x", "--out", "y", "--overfit", "-1"], ["--overfit"]),
        (
            [*PRETRAIN_TOY, "--augment.image-scale", "1.2", "0.8"],
            ["augment.image_scale", "smaller"],
        ),
        ([*PRETRAIN_TOY, "--augment.bev-flip-x", "2"], ["augment.bev_flip_x", "probability"]),
        ([*PRETRAIN_TOY, "--augment.hue-deg", "-1"], ["augment.hue_deg", "angle"]),
        ([*PRETRAIN_TOY, "--augment.contrast", "1"], ["augment.contrast"]),
        ([*PRETRAIN_TOY, "--scene-fraction", "0"], ["fraction of scenes"]),
        ([*PRETRAIN_TOY, "--scenes", "missing.txt"], ["missing.txt"]),
        (["evaluate", "x", "--data", "y", "--stride", "0"], ["--stride"]),
        (["bench", "step", "toy", "--data", "y", "--steps", "0"], ["--steps"]),
        ([*ABLATE_TOY, "--rows", "full", "no_maks"], ["no_maks", "no_mask"]),
        ([*ABLATE_TOY, "--seeds", "0", "0"], ["--seeds 0 0"]),
        ([*ABLATE_TOY, "--steps", "0"], ["optim.steps"]),
        (["pretrain"], ["needs a preset"]),
        (["finetune"], ["needs a task first", "vehicles", "then a preset", "demo"]),
        (["finetune", "vehicles"], ["needs a task first", "then a preset"]),
        (["finetune", "vehicels", "toy"], ["vehicels", "did you mean 'vehicles'"]),
        (["finetune", "vehicles", "tyo"], ["tyo", "did you mean 'toy'"]),
        (["finetune", "vehicles", str(Path(__file__).parent)], ["no config.json"]),
        (["finetune", "vehicles", str(Path(__file__).parent / "nosuch")], ["nosuch: not found"]),
        (["show-config", "demo", "--clip.lidar", "None"], ["loss.depth_alone_share"]),
        ([*FINETUNE_TOY, "--int", "none"], ["--init"]),
        ([*FINETUNE_TOY, "--init", "none", "--head.threshold", "2"], ["head.threshold"]),
        ([*FINETUNE_TOY, "--init", "none", "--mask.ratio", "0.5"], ["--mask.ratio"]),
        ([*FINETUNE_TOY, "--init", "none", "--overfit", "-1"], ["--overfit"]),
        (["show-config", "missing.json"], ["missing.json"]),
        (
            ["show-config", "hd_mapp", "demo"],
            ["unknown preset or task 'hd_mapp' (did you mean 'hd_map'?)"],
        ),
    ],
)
def test_mistakes_are_named(
    argv: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = _run(argv, capsys)
    assert status == 2
    assert all(part in text for part in parts), text
    assert "Traceback" not in text


def test_missing_data_ends_with_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    status, text = _run(
        ["pretrain", "toy", "--data", str(tmp_path / "nowhere"), "--out", str(out)], capsys
    )
    assert status == 2
    assert text.count("\n") == 1
    assert "nowhere" in text
    assert not out.exists()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        main(["view", str(tmp_path / "nowhere"), "--debug"])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_written_config_gives_the_same_run(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text = _run(["show-config", name, "--mask.ratio", "0.5"], capsys)
    path = tmp_path / "config.json"
    path.write_text(text)
    status, again = _run(["show-config", str(path)], capsys)
    assert status == 0
    assert again == text
    assert '"ratio": 0.5' in text


def test_a_tasks_config_is_shown_after_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text = _run(["show-config", "vehicles", "toy", "--optim.steps", "7"], capsys)
    path = tmp_path / "config.json"
    path.write_text(text)
    status, again = _run(["show-config", "vehicles", str(path)], capsys)
    assert (status, again) == (0, text)
    assert '"steps": 7' in text
    status, message = _run(["show-config", "hd_map", str(path)], capsys)
    assert status == 2
    assert "configures the task 'vehicles', not 'hd_map'" in message


@pytest.mark.parametrize("text", ["[]", "null", "{", '{"preset": 3, "clip": 4}'])
def test_a_config_that_is_none_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    status, message = _run(["show-config", str(path)], capsys)
    assert status == 2
    assert "config.json" in message


def _row(token: str, **values: object) -> Callable[[Rows], object]:
    return lambda rows: next(row for row in rows if row["token"] == token).update(values)


def _table(name: str, change: Callable[[Rows], object]) -> Callable[[Path], object]:
    return lambda data: edit_table(data, name, change)


IMAGE_FILE = "samples/CAM_BACK/scene0-CAM_BACK-10.jpg"
LIDAR_FILE = "samples/LIDAR_TOP/scene0-LIDAR_TOP-10.pcd.bin"
BAD_DATA: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "missing image": (
        lambda data: (data / IMAGE_FILE).unlink(),
        ["scene0-CAM_BACK-10", "not found"],
    ),
    "corrupt image": (
        lambda data: (data / IMAGE_FILE).write_bytes(b"no jpeg"),
        ["scene0-CAM_BACK-10", "decoded"],
    ),
    "empty LiDAR": (
        lambda data: (data / LIDAR_FILE).write_bytes(b""),
        ["scene0-LIDAR_TOP-10", "0 bytes"],
    ),
    "truncated LiDAR": (
        lambda data: (data / LIDAR_FILE).write_bytes(b"1" * 39),
        ["scene0-LIDAR_TOP-10", "39 bytes"],
    ),
    "NaN pose": (
        _table("ego_pose", _row("pose-scene0-LIDAR_TOP-3", translation=[float("nan"), 0, 0])),
        ["ego_pose.json", "pose-scene0-LIDAR_TOP-3"],
    ),
    "non-unit pose": (
        _table("ego_pose", _row("pose-scene0-LIDAR_TOP-3", rotation=[2.0, 0, 0, 0])),
        ["ego_pose.json", "pose-scene0-LIDAR_TOP-3"],
    ),
    "singular intrinsics": (
        _table("calibrated_sensor", lambda rows: rows[1].update(camera_intrinsic=[[0.0] * 3] * 3)),
        ["calibrated_sensor.json", "intrinsic"],
    ),
    "broken chain": (
        _table("sample", _row("scene0-sample2", prev="")),
        ["sample.json", "scene0-sample1"],
    ),
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    return write_tiny_dataset(tmp_path / "data")


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("command", ["view", "pretrain"])
@pytest.mark.slow
def test_bad_data_is_one_error_and_leaves_nothing(
    command: str, case: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, parts = BAD_DATA[case]
    damage(data)
    out = tmp_path / ("view.png" if command == "view" else "run")
    argv = {
        # The first clip of scene 0 is the one that the damaged files belong to.
        "view": ["view", str(data), "--out", str(out)],
        "pretrain": ["pretrain", "toy", "--data", str(data), "--out", str(out)],
    }[command]
    status, text = _run(argv, capsys)
    assert status == 2
    assert all(part in text for part in parts), text
    assert text.count("mim4d: error:") == 1
    assert "Traceback" not in text
    assert not out.exists()


def test_a_clip_longer_than_the_scene(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    argv = ["pretrain", "toy", "--data", str(data), "--out", str(out), "--clip.frames", "9"]
    status, text = _run(argv, capsys)
    assert status == 2
    assert "longest" in text
    assert "9" in text
    assert not out.exists()


def test_a_wrong_version_folder(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["view", str(data), "--out", str(tmp_path / "a.png"), "--version", "v1.0-trainval"]
    status, text = _run(argv, capsys)
    assert status == 2
    assert "v1.0-trainval" in text
    assert "v1.0-mini" in text


@pytest.mark.slow
def test_a_rig_without_the_usual_channels_is_used_by_naming_them(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_table(data, "sensor", lambda rows: [r.update(channel=f"MY_{r['channel']}") for r in rows])
    out = tmp_path / "run"
    argv = ["pretrain", "toy", "--data", str(data), "--out", str(out), "--optim.steps", "1"]
    status, text = _run(argv, capsys)
    assert status == 2
    assert "MY_LIDAR_TOP" in text
    status, _ = _run([*argv, "--clip.lidar", "MY_LIDAR_TOP", "--workers", "0"], capsys)
    assert status == 0


def _without_lidar(data: Path) -> None:
    def keep(key: str, text: str) -> Callable[[Rows], object]:
        return lambda rows: rows.__setitem__(slice(None), [r for r in rows if r[key] != text])

    edit_table(data, "sensor", keep("channel", "LIDAR_TOP"))
    edit_table(data, "calibrated_sensor", keep("token", "calib-LIDAR_TOP"))
    edit_table(data, "sample_data", keep("calibrated_sensor_token", "calib-LIDAR_TOP"))


@pytest.mark.slow
def test_a_data_set_without_lidar_names_the_options_and_they_work(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Single frames, to see in the same run that they are said and trained."""
    caplog.set_level(logging.INFO)
    _without_lidar(data)
    out = tmp_path / "run"
    argv = ["pretrain", "toy", "--data", str(data), "--out", str(out), "--optim.steps", "1"]
    argv += ["--workers", "0", "--clip.frames", "1", "--clip.key", "0"]
    status, text = _run(argv, capsys)
    assert status == 2
    assert "--clip.lidar" in text
    assert "take the preset demo_no_lidar" in text
    assert not out.exists()
    argv += ["--clip.lidar", "None"]
    status, text = _run(argv, capsys)
    assert status == 2
    assert "clip.lidar" in text
    assert "loss.distance_weight" in text
    status, text = _run([*argv, "--loss.distance-weight", "0"], capsys)
    assert status == 0
    assert caplog.text.count("1 frame (none is dropped or rebuilt)") == 1
    assert (out / "encoder.safetensors").is_file()


def test_a_config_with_unknown_keys_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text = _run(["show-config", "toy"], capsys)
    path = tmp_path / "config.json"
    path.write_text(text.replace('"ratio"', '"rato"'))
    status, message = _run(["show-config", str(path)], capsys)
    assert status == 2
    assert "config.json" in message
    assert "rato" in message

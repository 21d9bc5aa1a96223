"""Files that older versions wrote still load, and say and do the same as then."""

import json
import lzma
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from mim4d.cli import main
from mim4d.config.as_json import config_from_json, config_to_json
from mim4d.config.presets import PRESETS
from mim4d.runs.loading import load_encoder, load_model
from tests.data.tiny_dataset import write_tiny_dataset
from tests.toy import toy_clip

pytestmark = pytest.mark.slow  # whole runs

STORED = Path(__file__).parent
RUN = STORED / "run"
CONFIGS = [RUN / "config.json", *sorted((STORED / "configs").glob("*.json"))]
# Sums run in another order on other processors; a run of a few steps spreads that.
VALUES, LOSSES = 1e-4, 1e-3


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Path:
    """The stored run as it stood after two of its four steps, on data that lie where they do."""
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    shutil.copy(RUN / "config.json", run)
    record = json.loads((RUN / "record.json").read_text()) | {"data": str(data.resolve())}
    (run / "record.json").write_text(json.dumps(record))
    lines = (RUN / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text("".join(lines[:2]))
    packed = RUN / "step-0000002.ckpt.xz"
    (run / "checkpoints" / packed.stem).write_bytes(lzma.decompress(packed.read_bytes()))
    return run


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data set that the stored run was trained on."""
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    return write_tiny_dataset(tmp_path / "data", ("CAM_FRONT", "CAM_BACK"))


def options(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every option by its path."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= (
            options(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {f"{prefix}{key}": value}
        )
    return found


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_stored_option_has_its_value(path: Path) -> None:
    text = path.read_text()
    stored, loaded = (
        options(json.loads(each)) for each in (text, config_to_json(config_from_json(text, "")))
    )
    assert len(stored) > 100
    assert stored == {name: loaded.get(name, "is gone") for name in stored}


def test_presets_are_what_they_were() -> None:
    """A preset that is to change is stored anew under another name: old runs carry the old one."""
    stored = (STORED / "configs").glob("*.json")
    for path in (path for path in stored if path.stem in PRESETS):
        assert config_from_json(path.read_text(), str(path)) == PRESETS[path.stem](), path.stem


def test_encoders_of_a_run_and_of_an_export_give_the_same_volumes() -> None:
    expected = torch.tensor(json.loads((STORED / "volumes.json").read_text())["volumes"])
    assert expected.std() > 0.1
    for source in (RUN, STORED / "exported.safetensors"):
        with torch.no_grad():
            volumes = load_encoder(source)(toy_clip(0))
        assert_close(volumes.flatten()[::23], expected, rtol=VALUES, atol=VALUES)


def test_a_stored_run_goes_on_as_it_did(run: Path, data: Path) -> None:
    train = ["pretrain", str(run / "config.json"), "--data", str(data), "--out", str(run)]
    assert main([*train, "--resume", "--device", "cpu", "--workers", "0"]) == 0
    then, now = (
        [json.loads(line) for line in (each / "metrics.jsonl").read_text().splitlines()]
        for each in (RUN, run)
    )
    assert len(then) == len(now) == 4
    for before, after in zip(then, now, strict=True):
        assert before.keys() - after.keys() == set()
        for name in before.keys() - {"seconds"}:
            # A ray counts where warping beats no motion: the last digit may decide for one of them.
            least = 0.02 if name == "photometric" else 1e-6
            assert after[name] == pytest.approx(before[name], rel=LOSSES, abs=least), name


def test_a_stored_run_can_be_evaluated(run: Path, data: Path) -> None:
    averaged, raw = load_model(run)[0], load_model(run, raw=True)[0]
    ours, theirs = averaged.state_dict(), raw.state_dict()
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)
    argv = ["evaluate", str(run), "--data", str(data), "--stride", "16", "--clips", "1"]
    assert main([*argv, "--device", "cpu"]) == 0
    assert json.loads((run / "evaluation.json").read_text())

"""One run that is validated, stopped by a key press, resumed by its folder alone and extended.

Beside it stands an unbroken run that is never validated: all numbers must be its, bit for bit.
"""

import contextlib
import io
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mim4d.cli import main
from mim4d.cli.after_training import describe_run
from mim4d.config import OptimConfig, PretrainConfig
from mim4d.config.as_json import config_to_json
from mim4d.data.splits import SceneChoice
from mim4d.runs.checkpoint import latest_checkpoint, load_checkpoint
from mim4d.runs.metrics_file import VALIDATION, read_metrics
from mim4d.runs.record import read_config, read_record
from mim4d.runs.run_files import best_checkpoint, checkpoint_path
from mim4d.training import loop
from mim4d.training.modules import PretrainingModule
from mim4d.training.resume import extended
from mim4d.training.watch import Watch
from tests.toy import toy_config

pytestmark = pytest.mark.slow  # whole runs


def _config(steps: int, **optim: Any) -> PretrainConfig:
    made = OptimConfig(steps=steps, warmup_steps=1, ema_momentum=0.1, **optim)
    return replace(toy_config(), optim=made, checkpoint_every=3)


@dataclass(frozen=True)
class Story:
    """What happened to the run, what it printed at the end, and its unbroken twin.

    `key_press` is what a key press does before and after: nothing where tests run unattended.
    """

    run: Path
    statuses: list[int]
    printed: str
    twin: Path
    key_press: tuple[Any, Any]


@pytest.fixture(scope="module")
def story(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    root, before = tmp_path_factory.mktemp("watched"), signal.getsignal(signal.SIGINT)
    run, config = root / "run", root / "config.json"
    config.write_text(config_to_json(_config(4)))
    start = ["pretrain", str(config), "--data", str(data), "--out", str(run), "--scenes", "tiny-0"]
    watch = ["--validate-every", "2", "--validation-scenes", "tiny-1", "--logger", "tensorboard"]
    machine = ["--workers", "0", "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIM4D_CACHE", str(root / "cache"))
        _measure_time_by_what_is_done(patch)
        original: Callable[..., Any] = PretrainingModule.training_step

        def training_step(self: Any, clip: Any, batch_idx: int) -> Any:
            if self.global_step == 2:
                signal.raise_signal(signal.SIGINT)
            return original(self, clip, batch_idx)

        with patch.context() as pressed:
            pressed.setattr(PretrainingModule, "training_step", training_step)
            statuses = [main([*start, *watch, "csv", *machine])]
        statuses.append(main(["pretrain", "--resume", str(run), *machine]))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            statuses.append(main(["pretrain", "--resume", str(run), "--extend-to", "5", *machine]))
        loop.pretrain(
            _config(5, schedule_steps=4),
            data,
            root / "twin",
            scenes=SceneChoice("train", ("tiny-0",)),
            device="cpu",
            workers=0,
            watch=Watch(loggers=()),
        )
    handlers = before, signal.getsignal(signal.SIGINT)
    return Story(run, statuses, printed.getvalue(), root / "twin", handlers)


def _measure_time_by_what_is_done(patch: pytest.MonkeyPatch) -> None:
    """The clock of the steps goes on by 1 s with every step, and 100 s with every held-out clip."""
    now = [0.0]

    def taking(method: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def done(*args: Any) -> Any:
            now[0] += seconds
            return method(*args)

        return done

    patch.setattr("mim4d.training.callbacks.perf_counter", lambda: now[0])
    for name, seconds in (("training_step", 1.0), ("validation_losses", 100.0)):
        patch.setattr(PretrainingModule, name, taking(getattr(PretrainingModule, name), seconds))


def _metrics(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_a_key_press_ends_with_a_checkpoint_and_its_own_status(story: Story) -> None:
    assert story.statuses == [130, 0, 0]
    before, after = story.key_press
    assert after is before


def test_validation_and_resuming_change_no_number(story: Story) -> None:
    assert _metrics(story.run) == _metrics(story.twin)


def test_the_seconds_of_a_step_are_its_own(story: Story) -> None:
    assert read_metrics(story.run)["seconds"].tolist() == [1.0] * 5


def test_an_extended_run_ends_with_the_weights_of_an_unbroken_one(story: Story) -> None:
    a, b = (load_checkpoint(checkpoint_path(run, 5)) for run in (story.run, story.twin))
    for name in ("state_dict", "averaged_state_dict"):
        assert all(torch.equal(a[name][key], value) for key, value in b[name].items())
    assert read_config(story.run).optim == _config(5, schedule_steps=4).optim
    assert read_record(story.run)["extended"] == [{"from": 4, "to": 5, "schedule_steps": 4}]


def test_the_best_checkpoint_is_that_of_the_least_validation_loss(story: Story) -> None:
    validated = read_metrics(story.run, VALIDATION)
    assert validated["step"].tolist() == [1, 3, 4]
    best = validated["step"][np.argmin(validated["loss"])]
    assert load_checkpoint(best_checkpoint(story.run))["global_step"] == best + 1
    assert latest_checkpoint(story.run) == checkpoint_path(story.run, 5)


def test_the_loggers_have_rates_speed_memory_and_pictures(story: Story) -> None:
    board = EventAccumulator(str(story.run / "tensorboard")).Reload()
    tags = board.Tags()
    assert {"train/loss", "lr/rest", "lr/backbone", "validation/loss"} <= set(tags["scalars"])
    assert {"speed/clips_per_s", "memory/peak_gib"} <= set(tags["scalars"])
    assert tags["images"] == ["validation/clip"]
    assert (story.run / "tensorboard" / "hparams.yaml").is_file()
    starts = [path.name for path in sorted((story.run / "csv").iterdir())]
    assert starts == ["from-step-0000000", "from-step-0000003", "from-step-0000004"]
    with Image.open(story.run / "validation" / "step-0000005.png") as picture:
        assert np.asarray(picture).std() > 1
    assert (story.run / "curves.png").is_file()


def test_the_end_says_how_it_went_and_what_comes_next(story: Story, data: Path) -> None:
    assert story.printed == f"{story.run}\n"
    lines = describe_run(story.run, data).splitlines()
    assert lines[0].startswith("steps    5 in ")
    assert any(line.startswith("held out loss ") and "best.ckpt" in line for line in lines)
    assert f"next     mim4d evaluate {story.run} --data {data}" in lines
    assert f"         mim4d evaluate {story.run} --data {data} --best" in lines


def test_runs_are_listed_and_compared(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    page = story.run.parent / "runs.html"
    assert main(["runs", str(story.run.parent), "--page", str(page)]) == 0
    head, _, run, twin, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["run", "trains", "preset", "seed", "started"]
    assert "held-out loss  after step" in head
    assert (run.split()[0], twin.split()[0]) == ("run", "twin")
    loss = f"{np.mean(read_metrics(story.run)['loss'][-1:]):.4f}"
    assert loss in run
    assert loss in twin
    text = page.read_text()
    assert "<th>held-out loss</th>" in text
    assert "data:image/png" in text


def test_scenes_that_are_trained_on_are_no_validation(data: Path, tmp_path: Path) -> None:
    watch = Watch(validate_every=1, validation_scenes=SceneChoice("val", ("tiny-1",)))
    with pytest.raises(ValueError, match=r"1 of 1 scenes to validate on are trained on \(tiny-1\)"):
        loop.pretrain(_config(4), data, tmp_path / "run", device="cpu", watch=watch)
    assert not (tmp_path / "run").exists()


def test_fewer_steps_are_no_extension() -> None:
    with pytest.raises(ValueError, match="--extend-to 3: the run has 4 steps"):
        extended(_config(4), 3, "hold")
    assert extended(_config(4), 4, "hold") == _config(4)
    assert extended(_config(4), 9, "cosine") == _config(9)
    twice = extended(extended(_config(4), 6, "hold"), 9, "hold")
    assert twice == _config(9, schedule_steps=4)

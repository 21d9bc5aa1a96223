"""What a run may start from, and be continued with: what would make it another run is refused."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from mim4d.config import RunConfig
from mim4d.config.as_json import config_to_json
from mim4d.files import write_text
from mim4d.runs.record import config_differences, kind_of, read_record, read_run_config, run_kind

if TYPE_CHECKING:
    from mim4d.data.fingerprint import Fingerprint

logger = logging.getLogger(__name__)
_NOT_ALWAYS_RECORDED = {"processes": 1, "start_from": None, "init": None}
"""What was not always written down, and what it was then."""


def check_start(config: RunConfig, source: Path | None, flag: str) -> None:
    """Refuse to freeze weights that nothing has taught, and two sets of weights to start from.

    Args:
        config: Of the run.
        source: What the encoder takes its weights from, if anything.
        flag: The option that names it.

    Raises:
        ValueError: In either case.
    """
    encoder = config.encoder
    named = encoder.weights_file is not None or encoder.weights != "random"
    if source is not None and named:
        raise ValueError(
            f"{flag} {source}: gives the whole encoder its weights; leave out "
            "--encoder.weights-file and --encoder.weights"
        )
    if encoder.frozen_stages and not named and source is None:
        frozen = encoder.frozen_stages
        stages = "first stage" if frozen == 1 else f"first {frozen} stages"
        run = "" if flag == "--start-from" else f" or {flag} RUN"
        raise ValueError(
            f"This preset freezes its {stages}, so it needs weights: pass "
            f"--encoder.weights-file{run}, or --encoder.frozen-stages 0."
        )


Schedule = Literal["hold", "cosine"]
Config = TypeVar("Config", bound=RunConfig)


def extended(config: Config, steps: int, schedule: Schedule) -> Config:
    """The configuration of a run that goes on beyond the steps it was started with.

    Args:
        config: Of the run.
        steps: Steps in all; as many as the run has are no change.
        schedule: `hold` leaves the learning rate where the schedule ended; `cosine` takes the
            schedule of a run that has so many steps from its beginning.

    Raises:
        ValueError: If these are fewer steps than the run has.
    """
    optim = config.optim
    if steps < optim.steps:
        raise ValueError(
            f"--extend-to {steps}: the run has {optim.steps} steps; give more, counted in all"
        )
    if steps == optim.steps:
        return config
    ends = optim.schedule_steps or optim.steps
    kept = None if schedule == "cosine" else ends
    return replace(config, optim=replace(optim, steps=steps, schedule_steps=kept))


def extend_run(run: Path, config: RunConfig) -> None:
    """Write down that a run now has the steps of `config`, and from when on."""
    before = read_run_config(run).optim
    if before == config.optim:
        return
    record = read_record(run)
    after = config.optim
    record.setdefault("extended", []).append(
        {"from": before.steps, "to": after.steps, "schedule_steps": after.schedule_steps}
    )
    write_text(run / "record.json", json.dumps(record, indent=2) + "\n")
    write_text(run / "config.json", config_to_json(config))
    logger.info(
        "%s: %d steps instead of %d; the learning rate %s",
        *(run, config.optim.steps, before.steps, _in_words(config)),
    )


def _in_words(config: RunConfig) -> str:
    ends = config.optim.schedule_steps
    if ends is None:
        return "follows the schedule of a run of that length from here on, which is a jump upwards"
    return f"stays where it was after {ends} steps"


def check_resumable(
    config: RunConfig, run: Path, command: str, given: dict[str, Any], *, extends: bool = False
) -> None:
    """Refuse to continue a run with anything that would make it another run.

    Args:
        config: The configuration given now.
        run: The run folder.
        command: Words of the command before its preset, for messages.
        given: What is recorded of a run beside its configuration, as it is now.
        extends: Whether it may have more steps, and another schedule, than the run was given.

    Raises:
        ValueError: If the folder holds no run, or another one.
    """
    if run_kind(run) != kind_of(config):
        raise ValueError(
            f"{run}: holds a run of another kind ({run_kind(run)}) than `mim4d {command}` trains; "
            "choose another --out"
        )
    recorded, record = read_run_config(run), _NOT_ALWAYS_RECORDED | read_record(run)
    if "imported" in record:
        raise ValueError(
            f"{run}: holds an imported model, without the optimiser's state; start a new --out "
            f"from it with --start-from {run}"
        )
    if recorded.preset != config.preset:
        raise ValueError(
            f"{run}: holds a run of preset {recorded.preset!r}, not {config.preset!r}; resume it "
            f"with `mim4d {command} {recorded.preset}`"
        )
    compared = recorded
    if extends:
        steps = {name: getattr(config.optim, name) for name in ("steps", "schedule_steps")}
        compared = replace(recorded, optim=replace(recorded.optim, **steps))
    differences = config_differences(compared, config)
    for name, here in given.items():
        if name == "data" and "data_set" in record:
            continue  # known by what it holds, not by where it lies: see `check_same_data`
        there = record.get(name, here)
        if there != here:
            differences.append(f"{name} ({there} / {here})")
    if differences:
        raise ValueError(
            f"{run}: was started with other options (there / here): {', '.join(differences)}; "
            "resume with the same options or start a new --out"
        )


def check_same_data(run: Path, config: RunConfig, here: "Fingerprint") -> None:
    """Refuse to continue a run on data that hold something else than it was started with.

    Where the data lie does not matter; neither do labels to a pre-training.

    Raises:
        ValueError: If they differ.
    """
    there = read_record(run).get("data_set")
    if there is None:  # the record of an earlier version: the path was compared
        return
    parts = {"measurements": "scenes, samples or measurements", "poses": "poses of the car"}
    parts |= {"calibration": "calibration"}
    if kind_of(config) == "task":
        parts["labels"] = "labels"
    other = [what for part, what in parts.items() if there.get(part) != here[part]]  # type: ignore[literal-required]
    if there.get("version") != here["version"]:
        other.insert(0, f"version folder ({there.get('version')} / {here['version']})")
    if other:
        raise ValueError(
            f"{run}: was started on other data; different (there / here): {', '.join(other)}. "
            "Resume with the data that it was started on (they may lie elsewhere by now), or start "
            "a new --out, with --start-from this run if it should go on from its weights"
        )


def check_same_scenes(run: Path, names: list[str]) -> None:
    """Refuse to continue a run on other scenes than it was started with.

    Raises:
        ValueError: If they differ.
    """
    recorded = read_record(run)["training_scenes"]
    if recorded != names:
        new, gone = sorted(set(names) - set(recorded)), sorted(set(recorded) - set(names))
        raise ValueError(
            f"{run}: was started on {len(recorded)} scenes, not on these {len(names)} (new: "
            f"{', '.join(new[:3]) or 'none'}; missing: {', '.join(gone[:3]) or 'none'}); resume "
            "with the same data and the same choice of scenes, or start a new --out"
        )

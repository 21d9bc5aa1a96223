"""Which held-out frames are measured, by the key sample they belong to; where they lie.

Runs whose clips differ (more frames, other spacing) have clips of their own, but may evaluate the
same frames: a frame is named by the token of its sample.
"""

from collections.abc import Collection
from pathlib import Path

from mim4d.config import TaskConfig
from mim4d.data.driven_places import OVERLAP_M, overlap, places_of, scene_places
from mim4d.data.fingerprint import scene_fingerprints
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import TRAINING
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from mim4d.runs.record import read_record, was_trained_on


def target_samples(dataset: NuscenesDataset, frame: int) -> list[str | None]:
    """The sample whose keyframe each clip has at index `frame`, by clip; None: not a keyframe."""
    tables = dataset.tables
    samples = tables.column("sample_data", "sample")
    is_key_frame = tables.column("sample_data", "is_key_frame")
    rows = [int(dataset.plan(i).anchors[frame]) for i in range(len(dataset))]
    return [
        tables.sample(int(samples[row])).token if row >= 0 and is_key_frame[row] else None
        for row in rows
    ]


def clips_of_targets(dataset: NuscenesDataset, frame: int, targets: Collection[str]) -> list[int]:
    """Clips that have one of the samples at index `frame`, in the order of the data set.

    Raises:
        ValueError: If a sample has no such clip.
    """
    wanted = set(targets)
    found = {
        token: index
        for index, token in enumerate(target_samples(dataset, frame))
        if token is not None and token in wanted
    }
    missing = sorted(wanted - set(found))
    if missing:
        raise ValueError(
            f"{dataset.tables.root}: {len(missing)} of {len(wanted)} samples to evaluate are the "
            f"evaluated frame of no clip here ({', '.join(missing[:3])}); choose samples with "
            "frames around them"
        )
    return sorted(found.values())


def training_scenes(run: Path, data: Path, tables: NuscenesTables) -> set[str]:
    """Scenes of a data set that a run was trained on.

    Scenes are known by their samples, wherever the data lie now; of records that do not tell these,
    the path decides.
    """
    record = read_record(run)
    known = set(record["training_scenes"]) & set(tables.scene_names)
    trained = record.get("data_set", {}).get("scenes")
    if trained is not None:
        here = scene_fingerprints(tables, known)
        return {name for name in known if here[name] == trained.get(name)}
    return known if record["data"] in (None, str(data.resolve())) else set()


def overlap_with_training(
    run: Path, data: Path, tables: NuscenesTables, scenes: Collection[str]
) -> float | None:
    """Share of the samples of some scenes that lie where a run's training scenes were driven.

    None where the run was trained on other data, or nothing is known of it.
    """
    known = training_scenes(run, data, tables)
    if not known:
        return None
    places = scene_places(tables)
    return overlap(places_of(places, known), places_of(places, scenes))


def overlap_remarks(
    run: Path, data: Path, tables: NuscenesTables, scenes: Collection[str]
) -> tuple[str, ...]:
    """How much of what is evaluated lies where the run's training scenes were driven, in words."""
    share = overlap_with_training(run, data, tables, scenes)
    if share is None:
        return ()
    return (
        f"{100 * share:.1f} % of the scenes' samples lie within {OVERLAP_M:g} m of a training "
        "sample (mim4d split --geo makes splits without).",
    )


def split_remarks(tables: NuscenesTables, scenes: Collection[str]) -> tuple[str, ...]:
    """How much of what is evaluated lies where the data set's training split was driven, in words.

    For predictions of whose training nothing is known.
    """
    try:
        split = TRAINING.resolve(tables.root, tables.version, tables.scene_names)
    except DataError:
        return ()
    training = set(split.scenes) - set(scenes)
    if split.origin == "all" or not training:
        return ()
    places = scene_places(tables)
    share = overlap(places_of(places, training), places_of(places, scenes))
    if share is None:
        return ()
    return (
        f"{100 * share:.1f} % of the scenes' samples lie within {OVERLAP_M:g} m of a sample of the "
        "split train; if that was trained on, the score says little of new places (mim4d split "
        "--geo makes splits without).",
    )


def lidar_remarks(config: TaskConfig) -> tuple[str, ...]:
    """That a task's run learned from more than the task's labels, or was told more, in words."""
    if config.given_depth:
        return ("True depths took the place of the depth head's (--given-depth): a ceiling.",)
    weight = config.depth_loss_weight
    if weight == 0:
        return ()
    return (
        "In fine-tuning the trunk learned depth from LiDAR as well as the task from labels "
        f"(--depth-loss-weight {weight:g}).",
    )


def pretraining_remarks(
    run: Path, tables: NuscenesTables, scenes: Collection[str]
) -> tuple[str, ...]:
    """That scenes were in the pre-training that a task's run started from, in words."""
    init = read_record(run).get("init")
    if init is None or not (Path(init) / "record.json").is_file():
        return ()
    seen = [name for name in scenes if was_trained_on(Path(init), tables, [name])]
    if not seen:
        return ()
    return (
        f"{len(seen)} of the scenes were in the pre-training that it started from, without labels.",
    )

"""Whatever stands in a file: an answer or one line, never another error. `make nightly` tries more.

Tables, images, clouds, configurations and run folders are damaged at random. `MIM4D_FUZZ` is the
number of cases of each test (`make nightly` gives 400, which makes 2,000); a few are tried always,
the same ones every time.
"""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mim4d.check.check_data import check_data
from mim4d.check.images import read_image_facts
from mim4d.config.as_json import config_from_json, config_to_json
from mim4d.config.presets import preset
from mim4d.data.images.decode import decode_image
from mim4d.data.images.placement import ImagePlacement
from mim4d.data.lidar import EgoBody, read_sweep
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.tables.schema import SCHEMA
from mim4d.runs.metrics_file import read_metrics, truncate_metrics
from mim4d.runs.record import create_run, read_record, read_run_config
from tests.data.test_point_values import sweep
from tests.data.tiny_dataset import complete_tiny_dataset, write_tiny_dataset

ASKED = int(os.environ.get("MIM4D_FUZZ", "0"))


def cases(few: int) -> Callable[[Any], Any]:
    """So many cases, the same ones every time; or as many new ones as are asked for."""
    return settings(
        max_examples=ASKED or few,
        derandomize=not ASKED,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "x", "\ud83d\ude00", "../..", "/", "a\\b", "\0", "camera", "CAM_FRONT"]),
    st.lists(st.floats(), max_size=4),
    st.lists(st.lists(st.floats(), max_size=4), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
FIELDS = [(name, field.field) for name, fields in SCHEMA.items() for field in fields.values()]
CHANGE = st.tuples(st.sampled_from(FIELDS), st.integers(0, 200), ODD)
TABLES = st.lists(CHANGE, min_size=1, max_size=3)
WAYS = st.sampled_from(["put", "cut"])
DAMAGE = st.tuples(st.integers(0, 10**6), st.binary(max_size=12), st.integers(0, 10**6), WAYS)


def refusal(read: Callable[[], object]) -> str | None:
    """What is said instead of an answer; errors that no user should see are not caught."""
    try:
        read()
    except ValueError as error:
        return str(error)
    return None


def apply(content: bytes, damage: tuple[int, bytes, int, str]) -> bytes:
    """Other bytes in a place, or only the beginning."""
    place, other, length, kind = damage
    place %= len(content) + 1
    if kind == "cut":
        return content[: length % (len(content) + 1)]
    return content[:place] + other + content[place + len(other) :]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzz") / "data"
    return complete_tiny_dataset(write_tiny_dataset(root, ("CAM_FRONT",)))


def damaged(original: Path, root: Path, changes: list[tuple[tuple[str, str], int, Any]]) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(original / "v1.0-mini", root / "v1.0-mini")
    for name in ("samples", "sweeps", "maps"):
        (root / name).symlink_to(original / name)
    for (table, field), row, value in changes:
        path = root / "v1.0-mini" / f"{table}.json"
        rows = json.loads(path.read_text())
        rows[row % len(rows)][field] = value
        path.write_text(json.dumps(rows))
    return root


@pytest.mark.slow
@cases(8)
@given(changes=TABLES)
def test_tables(original: Path, tmp_path_factory: pytest.TempPathFactory, changes: Any) -> None:
    """What check finds no error in is read; what is refused is refused in a line."""
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    root = damaged(original, folder / "data", changes)
    report = check_data(root, files="all")

    def read() -> None:
        clips = NuscenesDataset(root, frames=2, image_hw=(32, 32), cache_dir=folder / "cache")
        for index in range(len(clips)):
            clip = clips[index]
            assert clip.points_ref.isfinite().all()
            assert clip.ref_from_camera.isfinite().all()

    refused = refusal(read)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    if refused is not None:
        assert "\n" not in refused.strip()
        if "--clip.lidar" in refused:  # whole, but the LiDAR has another name
            return
        assert report.findings.count("error"), f"{changes}: {refused}"


def picture(form: str) -> bytes:
    content = BytesIO()
    Image.effect_noise((64, 48), 60).convert("RGB").save(content, form)
    return content.getvalue()


PICTURES = {form: picture(form) for form in ("JPEG", "PNG", "BMP")}


@cases(20)
@given(form=st.sampled_from(sorted(PICTURES)), damage=DAMAGE)
@pytest.mark.slow
def test_images(tmp_path_factory: pytest.TempPathFactory, form: str, damage: Any) -> None:
    """What check decodes is read, and nothing else."""
    content = apply(PICTURES[form], damage)
    path = tmp_path_factory.getbasetemp() / "fuzz-image"
    path.write_bytes(content)

    def place(stored_hw: tuple[int, int]) -> ImagePlacement:
        return ImagePlacement.fitted(stored_hw, (32, 32), "inside")

    def read() -> None:
        target = torch.zeros(3, 32, 32, dtype=torch.uint8)
        decode_image(path, (32, 32), place).write_to(target)

    refused, problem = refusal(read), read_image_facts(content).problem
    assert refused is None or "fuzz-image" in refused
    assert refused is None or (problem is not None and problem[0].severity == "error")


CLOUD = sweep(count=400).tobytes()
NOT_A_NUMBER, INFINITE, TINY = b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\1\0\0\0"
WORDS = st.sampled_from([NOT_A_NUMBER, INFINITE, TINY, b"\xff" * 4])


@cases(30)
@given(
    damages=st.lists(DAMAGE, max_size=3),
    words=st.lists(st.tuples(st.integers(0, 1999), WORDS), max_size=4),
    raw=st.one_of(st.none(), st.binary(max_size=200)),
)
def test_clouds(
    tmp_path_factory: pytest.TempPathFactory, damages: Any, words: Any, raw: bytes | None
) -> None:
    content = CLOUD if raw is None else raw
    for damage in damages:
        content = apply(content, damage)
    for place, word in words:
        content = content[: 4 * place] + word + content[4 * place + 4 :]
    path = tmp_path_factory.getbasetemp() / "fuzz-cloud"
    path.write_bytes(content)

    def read() -> None:
        mount = torch.eye(4, dtype=torch.float64)
        assert read_sweep(path, mount, mount, EgoBody()).isfinite().all()

    assert "fuzz-cloud" in (refusal(read) or str(path))


CONFIG = json.loads(config_to_json(preset("toy")))


def places(tree: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every option and section."""
    if not isinstance(tree, dict):
        return [path]
    return [path, *(p for key, value in tree.items() for p in places(value, (*path, key)))]


@cases(15)
@given(path=st.sampled_from(places(CONFIG)[1:]), value=ODD)
@pytest.mark.slow
def test_configurations(path: tuple[str, ...], value: Any) -> None:
    """What is taken is written and read as the same."""
    tree = json.loads(json.dumps(CONFIG))
    section = tree
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value

    def read() -> None:
        config = config_from_json(json.dumps(tree), "config.json")
        assert config_from_json(config_to_json(config), "again") == config

    assert "config" in (refusal(read) or "config")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz-run") / "run"
    create_run(folder, preset("toy"), folder, ["a"], {"data_set": {"scenes": {"a": "0"}}})
    (folder / "metrics.jsonl").write_text('{"step": 0, "loss": 1.5}\n{"step": 1, "loss": 1.25}\n')
    return folder


@cases(15)
@given(name=st.sampled_from(["config.json", "record.json", "metrics.jsonl"]), damage=DAMAGE)
def test_run_folders(
    run: Path, tmp_path_factory: pytest.TempPathFactory, name: str, damage: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz-folder"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(run, folder)
    (folder / name).write_bytes(apply((run / name).read_bytes(), damage))
    readers = (read_run_config, read_record, read_metrics, partial(truncate_metrics, num_steps=1))
    for read in readers:
        said = refusal(partial(read, folder)) or str(folder)
        assert str(folder) in said or "config" in said

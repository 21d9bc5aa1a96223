"""Every planted fault is named with its table and its token; what is whole passes."""

import re
from pathlib import Path
from typing import Any

import pytest

import mim4d.check
from mim4d.check.check_data import check_data
from mim4d.check.lenient_tables import CHECKED
from mim4d.check.report import Report
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError
from tests.check.damages import IMAGE
from tests.check.faults_of_cars import FAULTS_OF_CARS
from tests.check.faults_of_files import FAULTS_OF_FILES
from tests.check.faults_of_tables import FAULTS_OF_TABLES
from tests.check.odd_but_no_fault import ODD
from tests.data.tiny_dataset import Rows, edit_table, set_row

FAULTS = {**FAULTS_OF_TABLES, **FAULTS_OF_CARS, **FAULTS_OF_FILES, **ODD}

# Errors and warnings that rightly come with a fault; all others come alone.
COMPANY: dict[str, set[str]] = {
    "empty table": {"dangling-link"},
    "one-way link": {"broken-chain"},
    "cycle": {"backward-link"},
    "back in time": {"far-from-sample"},
    "scene name twice": {"unknown-scene"},
    "same time": {"pose-time"},
    "key frame of another sample": {"two-key-frames", "sample-without-data"},
    "two key frames": {"far-from-sample", "sample-without-data"},
    "box twice": {"wrong-chain-end", "wrong-count", "broken-chain"},
    "quaternion too long": {"pose-turn"},
    "height": {"pose-acceleration"},
    "lying car": {"pose-turn"},
    "unexpected ending": {"shared-file", "broken-image"},
    "frozen camera": {"pose-acceleration"},
    "scene without samples": {"wrong-count"},
    "object without boxes": {"wrong-count"},
    "two image sizes": {"image-size-differs"},
    "other image size": {"sizes-of-one-calibration"},
    "no attributes": {"reader-refuses"},
}


def places(report: Report, code: str, name: str) -> list[Any]:
    return [
        place
        for finding in report.findings
        if finding.rule.code == code and finding.table == name
        for place in finding.places
    ]


def test_every_rule_is_planted_here_or_told_of_real_or_whole_data() -> None:
    sources = Path(mim4d.check.__file__).parent.glob("*.py")
    codes = set(re.findall(r'Rule\(\s*"([a-z-]+)"', "".join(p.read_text() for p in sources)))
    elsewhere = {
        *("calibration-fits", "calibration-turned", "calibration-unknown"),
        *(
            "image-size",
            "no-sweeps",
            "no-splits",
            "split-overlap",
            "no-records",
            "boxes-without-attribute",
        ),
        *("some-points-not-finite", "ring-zero", "unknown-location", "no-map-expansion"),
        *("files-sampled", "missing-sweeps", "short-scene", "unreadable-file"),
        # Told of worlds in test_geometry.
        *("calibration-no-peak", "cameras-swapped", "lidar-turned", "lidar-up", "ground-height"),
        *("intrinsics-scale", "poses-stand-still", "pose-of-another-time", "no-key-frames"),
        *(
            "camera-clock",
            "file-name",
            "sizes-of-one-calibration",
            "returns-at-sensor",
            "mostly-at-sensor",
            "invalid-measurements",
            "unreadable-tables",
        ),
    }
    assert codes - {fault[2] for fault in FAULTS.values()} == elsewhere


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.slow
def test_planted_fault_is_named(fault: str, data: Path) -> None:
    damage, severity, code, name, token, found = FAULTS[fault]
    damage(data)
    report = check_data(data)
    named = places(report, code, name)
    assert token in [place.token for place in named], report.text()
    place = next(place for place in named if place.token == token)
    assert found in f"{place.found} {place.file}"
    assert {f.rule.severity for f in report.findings if f.rule.code == code} == {severity}
    worse = {f.rule.code for f in report.findings if f.rule.severity != "remark"} - {code}
    assert worse == COMPANY.get(fault, set())
    least = {"error": 2, "warning": 1, "remark": 0}[severity]
    assert report.exit_status >= least
    assert f"{severity:<8} {code}: {name}" in report.text()
    assert token in report.text()


def test_whole_data_set_passes(complete_original: Path) -> None:
    report = check_data(complete_original)
    assert report.exit_status == 0, report.text()
    codes = {finding.rule.code for finding in report.findings}
    assert codes == {
        "image-size",
        "unknown-location",
        "no-map-expansion",
        "some-points-not-finite",
        "ring-zero",
        "calibration-unknown",
        "split-overlap",
    }
    assert report.summary.scenes == 2
    assert report.summary.samples == 10
    assert report.summary.hours == pytest.approx(4 / 3600)
    assert report.summary.boxes == {"vehicle.car": 10, "movable_object.barrier": 2}
    assert report.summary.lidar_points == (5, 5, 5)
    front = next(s for s in report.summary.sensors if s.channel == "CAM_FRONT")
    assert (front.measurements, front.key_frames, front.sizes) == (42, 10, ["65x41"])
    assert front.rate_hz == pytest.approx(10)


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("content", [b"[]", b"[{}, {}]", b'[{"token": "a"}, {"token": null}]'])
@pytest.mark.slow
def test_no_table_however_bad_stops_the_check(name: str, content: bytes, data: Path) -> None:
    (data / f"v1.0-mini/{name}.json").write_bytes(content)
    report = check_data(data, files="none")
    assert any(finding.table == name for finding in report.findings)


def test_faults_in_every_table_at_once_are_all_named(data: Path) -> None:
    for path in data.glob("v1.0-mini/*.json"):
        edit_table(data, path.stem, lambda rows: rows.append({"token": rows[0]["token"]}))
    report = check_data(data)
    named = {f.table for f in report.findings if f.rule.code == "duplicate-token"}
    assert named == set(CHECKED)


def test_repeats_are_counted_and_the_first_are_named(data: Path) -> None:
    for path in sorted((data / "sweeps/CAM_BACK").iterdir())[:9]:
        path.unlink()
    report = check_data(data, max_findings=2)
    finding = next(f for f in report.findings if f.rule.code == "missing-file")
    assert finding.count == 9
    assert len(finding.places) == 2
    assert "and 7 more" in report.text()


def test_sweeps_that_were_not_extracted_are_a_warning(data: Path) -> None:
    (data / "sweeps").rename(data / "elsewhere")
    report = check_data(data)
    assert report.exit_status == 1
    assert {f.rule.code for f in report.findings if f.rule.severity != "remark"} == {
        "missing-sweeps"
    }


def test_a_scene_of_one_sample_is_a_remark(data: Path) -> None:
    def first_only(rows: Rows) -> None:
        rows[:] = [r for r in rows if not r["token"].startswith("scene1-sample")] + [
            {**r, "next": ""} for r in rows if r["token"] == "scene1-sample0"
        ]

    def of_first(rows: Rows) -> None:
        kept = [r for r in rows if r["sample_token"].startswith("scene0")]
        alone = [r for r in rows if r["sample_token"] == "scene1-sample0"]
        rows[:] = kept + [{**r, "prev": "", "next": ""} for r in alone]

    edit_table(data, "sample", first_only)
    edit_table(data, "sample_data", of_first)
    edit_table(data, "sample_annotation", of_first)
    change = set_row("scene1", last_sample_token="scene1-sample0", nbr_samples=1)
    edit_table(data, "scene", change)
    ends = {"last_annotation_token": "scene1-object0-0", "nbr_annotations": 1}
    edit_table(data, "instance", set_row("scene1-object0", **ends))
    edit_table(
        data, "instance", lambda rows: rows.remove(next(r for r in rows if "1-object1" in str(r)))
    )
    report = check_data(data)
    assert [p.token for p in places(report, "short-scene", "scene")] == ["scene1"]
    assert report.exit_status == 0, report.text()


@pytest.mark.slow
def test_files_are_sampled_above_some_number(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mim4d.check.files.SAMPLED_FILES", 30)
    report = check_data(data)
    assert report.summary.files_opened == 27  # threes of each of three channels
    (sampled,) = places(report, "files-sampled", "sample_data")
    assert sampled.found == "27 of 126 images and sweeps were opened"
    assert check_data(data, files="all").summary.files_opened == 126
    assert check_data(data, files="none").summary.files_opened == 0


def test_file_that_may_not_be_read(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == Path(IMAGE).name:
            raise PermissionError("not yours")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    (place,) = places(check_data(data), "unreadable-file", "sample_data")
    assert (place.token, place.file, place.found) == ("scene0-CAM_BACK-10", IMAGE, "not yours")


# Real data and the embedded world


@pytest.mark.slow
def test_real_video_passes_with_true_remarks(real_data: Path) -> None:
    report = check_data(real_data / "real_video", files="all")
    assert report.exit_status == 0, report.text()
    found = {
        finding.rule.code: [place.found for place in finding.places] for finding in report.findings
    }
    assert found["no-map-expansion"]
    assert found["no-records"] == ["an empty list"]
    assert found["boxes-without-attribute"] == ["39 of 39 boxes"]
    assert found["no-sweeps"] == ["all 21 measurements are key frames"]
    assert found["key-frame-rate"] == ["1 Hz"]
    assert found["image-size"] == ["1936x1216 of 6 cameras"]
    assert found["ring-zero"] == ["LIDAR_TOP: ring is 0 in every point"]
    assert len(found["calibration-fits"]) == 1
    assert report.summary.boxes == {"vehicle.car": 33, "vehicle.truck": 6}
    assert report.summary.lidar_points == (47230, 48620, 49469)


def test_what_the_reader_alone_refuses_is_found_too(
    complete_original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The overlap is measured on the reader's own tables: if it takes none, check says so."""

    def refuse(*_: object) -> None:
        raise DataError("sample.json: row 3 is odd")

    monkeypatch.setattr(NuscenesTables, "open", refuse)
    report = check_data(complete_original, files="none")
    assert report.exit_status == 2
    assert any("row 3 is odd" in str(place) for f in report.findings for place in f.places)

"""`mim4d check`: what it prints and writes, and its exit status."""

import json
import re
from pathlib import Path

import pytest

import mim4d.check
from mim4d.cli import main
from tests.data.tiny_dataset import edit_table, set_row

POSE = "pose-scene0-CAM_BACK-7"


def run(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(["check", *argv])
    out = capsys.readouterr()
    return status, out.out, out.err


def test_whole_data(
    complete_original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "report.json"
    status, text, _ = run([str(complete_original), "--json", str(path)], capsys)
    assert status == 0
    assert "2 scenes, 10 samples, one every 0.5 s, 4 s" in text
    assert "CAM_FRONT: 42 camera measurements, 10 key frames, 10 Hz, 65x41" in text
    assert text.splitlines()[-1].startswith("passed: 0 errors, 0 warnings, 7 remarks")
    report = json.loads(path.read_text())
    assert set(report) == {
        "report_version",
        "root",
        "version",
        "verdict",
        "exit_status",
        "counts",
        "summary",
        "overlaps",
        "findings",
    }
    assert (report["report_version"], report["exit_status"]) == (1, 0)
    assert report["version"] == "v1.0-mini"
    assert "overlap of val with train: 100.0 % of its samples lie within 5 m" in text
    assert report["counts"] == {"error": 0, "warning": 0, "remark": 7}
    assert report["summary"]["boxes"] == {"vehicle.car": 10, "movable_object.barrier": 2}
    for finding in report["findings"]:
        assert set(finding) == {
            *("severity", "code", "table", "group", "count", "expected", "action", "places"),
        }
        assert all(set(place) == {"found", "token", "file"} for place in finding["places"])
    assert list(path.parent.iterdir()) == [path]  # nothing temporary is left


@pytest.mark.parametrize("strict", [False, True])
def test_warnings(strict: bool, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_table(data, "ego_pose", set_row(POSE, translation=[1000.0, 2001.36, 1.0]))
    status, text, _ = run([str(data), *(["--strict"] if strict else [])], capsys)
    assert status == (2 if strict else 1)
    assert "warning  height-jump: ego_pose" in text
    assert f"  {POSE}: height changes by 1.00 m" in text
    assert ("not fit for use" if strict else "passed with warnings") in text


def test_errors_come_first(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_table(data, "scene", set_row("scene1", name="tiny-0"))
    edit_table(data, "calibrated_sensor", set_row("calib-CAM_BACK", translation=[1.5, 0, -1]))
    status, text, _ = run([str(data), "--files", "none"], capsys)
    assert status == 2
    order = re.findall(r"^(error|warning|remark) ", text, re.MULTILINE)
    assert order == sorted(order, key=["error", "warning", "remark"].index)
    assert {*order} == {"error", "warning", "remark"}
    assert "not fit for use: " in text


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["nowhere"], "nowhere not found"),
        (["{data}", "--version", "v1.0-test"], "found: v1.0-mini"),
        (["{data}", "--max-findings", "0"], "--max-findings is 0"),
        (["{data}/samples"], "no folder with nuScenes tables"),
    ],
)
def test_unusable_input_is_one_line(
    argv: list[str], found: str, complete_original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, error = run([a.format(data=complete_original) for a in argv], capsys)
    assert status == 2
    assert out == ""
    assert found in error
    assert error.count("\n") == 1
    assert error.startswith("mim4d: error: ")


def test_report_that_cannot_be_written(
    complete_original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    argv = [str(complete_original), "--files", "none", "--json", str(tmp_path / "file/report")]
    status, _, error = run(argv, capsys)
    assert status == 2
    assert error.count("mim4d: error:") == 1
    assert "Traceback" not in error


def test_the_page_names_every_code() -> None:
    page = (Path(__file__).parents[2] / "docs/check_findings.md").read_text()
    sources = Path(mim4d.check.__file__).parent.glob("*.py")
    rules = re.findall(r'Rule\(\s*"([a-z-]+)",\s*"(\w+)"', "".join(p.read_text() for p in sources))
    assert len(rules) > 60
    assert len({code for code, _ in rules}) == len(rules)
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", page, re.MULTILINE))
    assert listed == dict(rules)

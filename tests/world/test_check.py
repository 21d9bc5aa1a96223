from pathlib import Path

import pytest

from mim4d.check.check_data import check_data


def test_the_world_passes_its_check(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    report = check_data(world, files="all")
    assert report.exit_status == 0, report.text()
    assert report.summary.scenes == 2
    assert report.summary.files_opened >= 2 * 3 * 7

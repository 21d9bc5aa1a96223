import pytest

from mim4d.cli.console import Counter


def test_counts_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Counter("world", "scene") as counter:
        for done in (1, 3, 4):
            counter.update(done, 4)
    shown = capsys.readouterr().err
    assert "world: 100%" in shown
    assert "4/4" in shown


def test_work_that_never_reports_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Counter("world", "scene"):
        pass
    assert capsys.readouterr().err == ""

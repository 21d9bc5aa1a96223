"""Progress: a bar at a terminal, few plain lines in a log."""

import io
import sys

import pytest

from mim4d.progress import Counter, counted, duration


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with Counter("world", "scene") as counter:
        for done in (1, 3, 4):
            counter.update(done, 4)
    assert "world: 100%" in screen.getvalue()
    assert "4/4" in screen.getvalue()


def test_a_log_gets_few_lines_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    """300 steps of 3 s: the first, every twentieth, the last; nothing is drawn over."""
    now = 0.0
    with Counter("pretrain", "step", clock=lambda: now) as counter:
        for done in range(1, 301):
            now += 3.0
            counter.update(done, 300, {"loss": 1 / done})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[0] == "pretrain: step 1 of 300; loss 1.000"
    assert lines[1].startswith("pretrain: step 16 of 300, 3.00 s each, 14 min 12 s left; loss 0.06")
    assert lines[-1].startswith("pretrain: step 300 of 300, 3.00 s each, done; loss")


@pytest.mark.parametrize(("seconds", "most"), [(0.01, 3), (1.0, 21), (60.0, 82)])
def test_a_log_stays_short_whatever_a_step_takes(
    seconds: float, most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    with Counter("pretrain", "step", clock=lambda: now) as counter:
        for done in range(1, 301):
            now += seconds
            counter.update(done, 300)
    assert 2 <= len(capsys.readouterr().err.splitlines()) <= most


def test_what_was_done_before_does_not_count_for_the_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    with Counter("pretrain", "step", initial=200, clock=lambda: now) as counter:
        for now in (60.0, 70.0):
            counter.update(201 if now == 60 else 216, 220)
    assert "step 216 of 220, 0.67 s each, 3 s left" in capsys.readouterr().err


def test_what_comes_before_the_first_report_is_no_measure_of_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    with Counter("evaluate", "clip", clock=lambda: now) as counter:
        for now in (60.0, 70.0):  # the counter reads the clock
            counter.update(1 if now == 60 else 2, 3)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "evaluate: clip 1 of 3"
    assert second == "evaluate: clip 2 of 3, 10.00 s each, 10 s left"


def test_work_that_never_reports_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Counter("world", "scene"):
        pass
    assert capsys.readouterr().err == ""


def test_things_are_counted_as_they_are_used() -> None:
    seen: list[tuple[int, int]] = []
    assert list(counted("abc", lambda done, total: seen.append((done, total)))) == ["a", "b", "c"]
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("seconds", "words"), [(45.0, "45 s"), (185.0, "3 min 05 s"), (7800.0, "2 h 10 min")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words

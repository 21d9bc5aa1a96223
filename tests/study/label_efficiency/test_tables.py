"""Tables, picture and page of a study made by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mim4d.study.label_efficiency.bootstrap import Interval
from mim4d.study.label_efficiency.labels_saved import LabelsSaved
from mim4d.study.label_efficiency.markdown import for_terminal, markdown
from mim4d.study.label_efficiency.page import study_page
from mim4d.study.label_efficiency.picture import draw_study
from mim4d.study.label_efficiency.search import Choice
from mim4d.study.label_efficiency.summary import DoubleLength, Row, SingleRun, Summary

RATE = Choice(2e-3, {1e-3: 3.0, 2e-3: 5.0, 4e-3: 4.0, 8e-3: 1.0}, at_edge=False)


def _row(
    labelled: int,
    arm: str,
    title: str,
    score: float,
    gains: dict[str, float],
    closed: Interval | None = None,
) -> Row:
    clear = {name: Interval(gain, gain - 1, gain + 1) for name, gain in gains.items()}
    return Row(
        task="vehicles",
        rung="frozen",
        labelled=labelled,
        arm=arm,
        title=title,
        score=Interval(score, score - 2, score + 2),
        near=Interval(score + 5, score, score + 9),
        far=None,
        spread_of_seeds=0.4,
        spread_of_subsets=None,
        gains=clear,
        gap_closed=closed,
        saved=None if arm == "random" else LabelsSaved(2.5, "at least "),
        rate=RATE,
        seconds=61.0,
        peak_bytes=3 * 2**29,
    )


SUMMARY = Summary(
    rows=(
        _row(1, "random", "random weights", 4.0, {"pretrained": -5.8, "depth_only": -4.0}),
        _row(1, "pretrained", "this pre-training", 9.8, {"random": 5.8, "depth_only": 0.5}),
        _row(1, "depth_only", "depth alone", 8.0, {"random": 4.0, "pretrained": -0.5}),
        _row(6, "random", "random weights", 12.6, {"pretrained": -1.1}),
        _row(6, "pretrained", "this pre-training", 13.7, {"random": 1.1}),
    ),
    doubled=(DoubleLength("vehicles", "frozen", 6, 12.6, 14.0),),
    runs=(
        SingleRun(
            "runs/vehicles_frozen/random/n1_subset0_seed0",
            "compared",
            "random",
            1,
            0,
            0,
            2e-3,
            300,
            4.03,
            61.0,
        ),
    ),
    facts={"command": "mim4d study --data DATA"},
    warnings=("Only 12 held-out scenes.",),
)


def test_every_number_stands_in_the_tables() -> None:
    text = markdown(SUMMARY)
    own = next(line for line in text.splitlines() if line.startswith("| 1 | this pre-training"))
    assert own.split(" | ")[2:] == [
        "9.8 (7.8 … 11.8)",
        "0.4",
        "-",
        "14.8",
        "-",
        "**+5.8 (+4.8 … +6.8)**",
        "≥ 2.5 ×",
        "0.002",
        "61",
        "1.5 |",
    ]
    assert "**Only 12 held-out scenes.**" in text
    assert "over depth alone" in text
    assert "| +0.5 (-0.5 … +1.5) |" in text
    assert "| vehicles, frozen | 6 | 12.6 | 14.0 | TOO SHORT |" in text
    assert (
        "| runs/vehicles_frozen/random/n1_subset0_seed0 | compared | 1 | 0 | 0 | 0.002 | 300 | 4.03"
        in text
    )
    assert "under-rates masked modelling" in text
    assert "command: mim4d study --data DATA" in text


@pytest.mark.parametrize(
    ("doubled", "verdict"), [(13.5, "long enough"), (13.7, "TOO SHORT"), (0.0, "long enough")]
)
def test_a_verdict_by_hand(doubled: float, verdict: str) -> None:
    assert DoubleLength("vehicles", "full", 6, 12.6, doubled).verdict == verdict
    assert DoubleLength("vehicles", "full", 6, 0.0, 0.0).verdict == "NOTHING LEARNED"


def test_the_terminal_has_no_marks() -> None:
    text = for_terminal(SUMMARY)
    assert "**" not in text
    assert "+5.8 (+4.8 … +6.8)" in text
    assert "GiB" not in text  # it would be too wide
    assert max(map(len, text.splitlines())) < 130


CEILING = _row(6, "exact_depth", "exact depth", 27.7, {"random": 15.1})
WITH_CEILING = replace(
    SUMMARY,
    rows=(
        SUMMARY.rows[3],
        _row(
            6, "pretrained", "this pre-training", 13.7, {"random": 1.1}, Interval(7.3, -4.0, 20.0)
        ),
        _row(6, "depth_only", "depth alone", 18.0, {"random": 5.4}, Interval(36.0, 20.0, 51.0)),
        CEILING,
    ),
)


def test_the_share_of_the_gap_is_shown_where_there_is_a_ceiling() -> None:
    assert "gap closed" not in markdown(SUMMARY)
    lines = markdown(WITH_CEILING).splitlines()
    heading = next(line for line in lines if "gap closed" in line)
    place = heading.split(" | ").index("gap closed")
    shown = [line.split(" | ")[place] for line in lines[lines.index(heading) + 2 :][:4]]
    assert shown == ["", "7 % (-4 … 20)", "**36 % (20 … 51)**", ""]
    unknown = replace(WITH_CEILING, rows=(*SUMMARY.rows[3:], CEILING))
    assert "| - | ≥ 2.5 × |" in markdown(unknown)


@pytest.mark.slow
def test_picture_and_page(tmp_path: Path) -> None:
    picture = draw_study(SUMMARY, tmp_path / "study.png")
    with Image.open(picture) as image:
        assert len(set(image.convert("RGB").getdata())) > 50
    page = study_page(SUMMARY, picture)
    assert page.count("<table") == 5
    assert "data:image/png;base64" in page
    assert "<b>+5.8 (+4.8 … +6.8)</b>" in page
    with Image.open(picture) as plain:
        more = draw_study(WITH_CEILING, tmp_path / "ceiling.png")
        with Image.open(more) as image:
            assert image.height > plain.height + 100  # a panel of shares below
    empty = replace(SUMMARY, rows=(), doubled=(), warnings=())
    assert draw_study(empty, tmp_path / "empty.png").is_file()

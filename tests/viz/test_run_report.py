import re
from pathlib import Path

import pytest
from PIL import Image

from mim4d.evaluation import Evaluation
from mim4d.viz.page import Picture
from mim4d.viz.run_report import write_report
from tests.evaluation.rows import row
from tests.viz.test_curves import write_metrics

EVALUATION = Evaluation(
    rows={
        "pixel_mean": row(0.5),
        "pixel_median": row(0.4),
        "untrained": row(0.8, model=True),
        "direct": row(0.25, model=True),
        "rebuilt": row(0.44, model=True),
    },
    truth="exact distance",
    scenes=["scene-1", "scene-2"],
    num_clips=4,
    held_out=True,
)


@pytest.fixture
def text(tmp_path: Path) -> str:
    write_metrics(tmp_path / "run", 20)
    Image.new("RGB", (4, 4)).save(tmp_path / "clip.png")
    path = write_report(
        tmp_path / "out" / "report.html",
        tmp_path / "run",
        EVALUATION,
        [Picture(tmp_path / "clip.png", "what to look at: <edges>")],
        {"seed": "17", "command": "mim4d demo & more"},
        [("Go on", "mim4d render RUN --data DIR")],
    )
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(text: str) -> None:
    sources = re.findall(r'(?:src|url)\s*[=(]\s*"?([^"\s)>]*)', text)
    assert len(sources) == 2  # the curves and the picture
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    links = set(re.findall(r'href="([^"]*)"', text))
    assert len(links) == 2 * 2
    assert {link.split("-")[1] for link in links} == {"clip", "curves"}
    assert all(f'id="{link[1:]}"' in text for link in links)  # full size, and back
    assert "<script" not in text
    assert "@import" not in text
    assert "http" not in text


def test_pictures_of_one_name_open_apart() -> None:
    one, two = (Picture(Path(run) / "curves.png", "") for run in ("a", "b"))
    assert one.anchor != two.anchor


def test_it_holds_the_numbers_of_the_table(text: str) -> None:
    for number in (
        "0.500",
        "0.400",
        "0.800",
        "0.250",
        "0.440",
        "3.21",
        "0.789",
        "17.2",
        "0.456",
        "0.88",
        "12345",
    ):
        assert number in text
    for fact in ("17", "mim4d demo &amp; more", "&lt;edges&gt;", "mim4d render RUN"):
        assert fact in text


def test_the_headline_is_marked_as_met_or_missed(text: str) -> None:
    """1 − δ is the same in all rows made for tests: equal to the best baseline is not better."""
    assert text.count("<li class=") == len(EVALUATION.verdicts) == 2
    assert (
        '<li class="missed"><strong>Distances rendered from a frame\'s own images (direct volume): '
        "an untrained baseline is as good or better in at least one of 4 error measures.</strong>"
    ) in text.replace("&#39;", "'")
    assert "(equal to it)" in text
    assert '<li class="met">' not in text


def test_wide_tables_scroll_below_groups_of_columns(text: str) -> None:
    ladder = text[text.index("<h2>Distance</h2>") : text.index("<h2>Colour</h2>")]
    assert "<div class=scroll>" in ladder
    groups = re.findall(r"colspan=(\d+)>([^<]*)<", ladder)
    parts = ["all pixels", "road", "obstacles", "moving objects"]
    assert groups == [("1", ""), *(("5", part) for part in parts), ("1", "scaled")]
    direct = next(line for line in ladder.splitlines() if ">direct volume" in line)
    assert len(re.findall("<td>", direct)) == 1 + 4 * 5 + 1
    assert re.findall("<td>([^<]*)<", direct)[:2] == ["1.00", "0.250"]  # the worst column first

"""The yardsticks themselves: two sides in turn, what they report, and a page made of it."""

import json
import math
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from mim4d.cli import main
from mim4d.config.presets import preset
from mim4d.study.bench.parts.alternate import Spread
from mim4d.study.bench.parts.library import volume_channels
from mim4d.study.bench.parts.parameters import Parameters
from mim4d.study.bench.parts.report import write_report
from mim4d.study.bench.parts.scaling import slope
from mim4d.study.bench.parts.sides import Side
from mim4d.study.bench.parts.suite import default_parts

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("part", "most"), [("lift_lookup", 0.5), ("render", 1.5), ("warp", 3.0), ("encoder", 3.0)]
)
@pytest.mark.slow
def test_parts_stay_near_their_twins(part: str, most: float, build_case) -> None:
    """Ratios, never times, with generous margins: tiny shapes on a busy machine."""
    parameters = Parameters(part, "small", rays=1024)
    sides = (build_case(parameters), build_case(parameters, twin=True))
    ratios = []
    for number in range(5):
        seconds = []
        for case in sides:
            start = time.process_time()
            case.run(backward=True)
            seconds.append(time.process_time() - start)
        if number > 0:  # the first round warms up
            ratios.append(seconds[0] / seconds[1])
    assert 0 < min(ratios) < most, ratios


def test_versions_before_exposure_have_the_channels_of_their_volumes() -> None:
    lift = SimpleNamespace(volume_channels=16)
    assert volume_channels(SimpleNamespace(lift=lift)) == 16
    config = preset("demo")
    assert volume_channels(config) == config.lift.channels > config.lift.volume_channels


@pytest.mark.slow
def test_a_checkout_against_itself_is_measured_and_becomes_a_page(tmp_path: Path, capsys) -> None:
    file, page = tmp_path / "found.json", tmp_path / "page.md"
    command = ["bench", "parts", "small", "--parts", "volume_conv", "--rounds", "2", "--no-scaling"]
    assert main([*command, "--against", str(CHECKOUT), "--json", str(file)]) == 0
    assert "matrix product" in capsys.readouterr().out
    forward, both = json.loads(file.read_text())["comparisons"]
    assert (forward["backward"], both["backward"]) == (False, True)
    assert both["names"] == ["library", "old"]
    assert both["output_error"] == both["gradient_error"] == 0
    # 3 frames of 32 × 32 × 4 voxels, 27 taps, 32 channels to 16, a product and a sum each.
    assert forward["flops"] == 2 * 3 * 32 * 32 * 4 * 27 * 32 * 16
    assert forward["flops"] < both["flops"]
    for comparison in (forward, both):
        ratio = comparison["cpu_ratio"]
        assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
    assert main(["bench", "report", str(file), "--out", str(page)]) == 0
    text = page.read_text()
    assert "library against old" in text
    assert text.count("| volume_conv |") == 2


def test_exponents() -> None:
    assert slope((1, 2, 4), (3.0, 6.0, 12.0)) == pytest.approx(1.0)
    assert slope((1, 2, 4), (1.0, 4.0, 16.0)) == pytest.approx(2.0)
    assert math.isclose(slope((1, 10), (5.0, 5.0)), 0.0, abs_tol=1e-12)


def test_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(1.0, 2.0, 3.0)


def test_the_twin_that_does_not_fit_is_left_out() -> None:
    assert "step" not in default_parts("official_080", with_twin=True)
    assert "step" in default_parts("official_080", with_twin=False)
    assert "encoder" not in default_parts("demo", with_twin=True)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part: 'wrap' is unknown; expected encoder"):
        Parameters("wrap")
    with pytest.raises(ValueError, match="no checkout of mim4d"):
        Side.of_checkout("old", tmp_path)
    file = tmp_path / "other.json"
    file.write_text("{}")
    with pytest.raises(ValueError, match="not what `mim4d bench parts --json` writes"):
        write_report([file], tmp_path / "page.md")

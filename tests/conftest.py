"""Shared fixtures: seeds, the golden files and the real data (both outside the project)."""

import os

# Before torch is imported: on tensors as small as these a second thread only costs, and where
# another program computes, threads that wait for each other cost very much. Processes that tests
# start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.parity import GoldenFile, Ledger, load_golden
from tests.parity_page import render_page

GOLDEN = ("MIM4D_GOLDEN", "golden")
LEDGER = pytest.StashKey[Ledger]()
SLOW_FIXTURES = {
    # What tests.world.make makes, and what is made of it.
    *("world", "film", "layouts", "town_layouts", "tables", "film_tables", "opened", "clips"),
    *("unbroken", "batch_of_two", "folder", "flow_run", "finished"),  # whole runs of training
}
"""Their tests are marked slow: the first of them in a process waits until these are there."""
ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--parity",
        type=Path,
        metavar="PATH",
        help="run the comparisons with golden files alone and write their table to PATH",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEDGER] = []
    if config.getoption("--parity") and _folder(*GOLDEN) is None:
        raise pytest.UsageError(
            "--parity: golden files not found; set MIM4D_GOLDEN to their folder"
        )


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW_FIXTURES & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.slow)
    # Processes take the next file as they get free: the slow ones first, or one would come last.
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
    if config.getoption("--parity"):
        items[:] = [item for item in items if "golden" in getattr(item, "fixturenames", ())]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    path, folder = session.config.getoption("--parity"), _folder(*GOLDEN)
    if path is None or folder is None or exitstatus != pytest.ExitCode.OK:
        return
    try:
        page = render_page(session.config.stash[LEDGER], folder)
    except ValueError as error:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.get_terminal_writer().line(f"\n--parity: {error}", red=True)
        return
    from mim4d.files import write_text

    write_text(path, page)


def _folder(variable: str, name: str) -> Path | None:
    path = Path(os.environ.get(variable, ROOT / ".." / "shared" / name)).resolve()
    return path if path.is_dir() else None


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    path = _folder(*GOLDEN)
    if path is None:
        pytest.skip("golden files not found: set MIM4D_GOLDEN to their folder")
    return path


@pytest.fixture
def golden(golden_dir: Path, request: pytest.FixtureRequest) -> Callable[[str], GoldenFile]:
    """Load a golden file by its name without ending; what it is compared with is remembered."""
    tested = request.path.relative_to(ROOT / "tests")
    part = str(tested.with_name(tested.stem.removeprefix("test_")))
    ledger = request.config.stash[LEDGER]
    return lambda name: load_golden(golden_dir, name, part, ledger)


@pytest.fixture(scope="session")
def real_data() -> Path:
    path = _folder("MIM4D_REAL_DATA", "data")
    if path is None:
        pytest.skip("real sensor data not found: set MIM4D_REAL_DATA to its folder")
    return path


@pytest.fixture
def seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)

"""The page of comparisons with golden files, and the door that they go through."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.parity import GoldenFile, load_golden, stored_files
from tests.parity_page import listed_rows, missing_values, render_page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "parity.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Golden files of our own: one whole, one in two halves."""
    values = {"out.sum": torch.tensor([1.0, -4.0]), "out.grad.in.x": torch.tensor([2.0])}
    save_file(values, tmp_path / "whole.safetensors")
    save_file({"in.x": torch.ones(2)}, tmp_path / "halved.in.safetensors")
    save_file({"out.mask": torch.tensor([True, False])}, tmp_path / "halved.out.safetensors")
    return tmp_path


def file_of(folder: Path, name: str, ledger: list) -> GoldenFile:
    return load_golden(folder, name, "models/lifting/lookup.py", ledger)


def test_the_page_lists_every_file(golden_dir: Path) -> None:
    rows = listed_rows(PAGE.read_text())
    assert sorted({file for file, _, _ in rows}) == stored_files(golden_dir)
    assert all(found <= tolerance for _, tolerance, found in rows)


def test_differences_are_relative_to_the_largest_value(folder: Path) -> None:
    ledger: list = []
    file = file_of(folder, "whole", ledger)
    file.check("out.sum", torch.tensor([1.0, -4.0002]))
    assert ledger[0].difference == pytest.approx(5e-5, rel=1e-2)
    with pytest.raises(AssertionError, match=r"whole: out\.sum: relative difference 1\.00e-03 >"):
        file.check("out.sum", torch.tensor([1.004, -4.0]))
    with pytest.raises(AssertionError, match=r"\(2, 1\)"):
        file.check("out.sum", torch.tensor([[1.0], [-4.0]]))
    halves = file_of(folder, "halved", ledger)
    halves.check("out.mask", torch.tensor([True, False]), 0.0)
    with pytest.raises(AssertionError, match=r"5\.00e-01"):
        halves.check("out.mask", torch.tensor([True, True]), 0.0)
    # What is zero in truth is compared on a scale that is given.
    file.check("out.grad.in.x", torch.tensor([2.5]), floor=1e4)


def test_no_page_while_a_value_is_not_compared(folder: Path) -> None:
    ledger: list = []
    file_of(folder, "whole", ledger).check("out.sum", torch.tensor([1.0, -4.0]))
    assert missing_values(ledger, folder) == ["halved: out.mask", "whole: out.grad.in.x"]
    with pytest.raises(ValueError, match=r"2 stored values were not compared.*halved: out\.mask"):
        render_page(ledger, folder)
    file_of(folder, "whole", ledger).check("out.grad.in.x", torch.tensor([2.001]), 2e-2)
    file_of(folder, "halved", ledger).check("out.mask", torch.tensor([True, False]), 0.0)
    page = render_page(ledger, folder)
    assert listed_rows(page) == [
        ("halved", 0.0, 0.0),
        ("whole", 1e-4, 0.0),
        ("whole", 2e-2, pytest.approx(5e-4, rel=0.1)),
    ]
    assert (
        "| `whole` | `models/lifting/lookup.py` | gradients | 1 | 2e-02 | 5.0e-04 | `grad.in.x` |"
        in page
    )

"""Shared fixtures: seeds, the golden files and the real data (both outside the project)."""

import os

# Before torch is imported: on tensors as small as these a second thread only costs, and where
# another program computes, threads that wait for each other cost very much. Processes that tests
# start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class GoldenFile:
    """One golden file: `tensors` by full name, `meta` its string metadata."""

    tensors: dict[str, Tensor]
    meta: dict[str, str]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix.`, with the prefix removed."""
        head = f"{prefix}."
        return {k[len(head) :]: v for k, v in self.tensors.items() if k.startswith(head)}


def _folder(variable: str, name: str) -> Path | None:
    path = Path(os.environ.get(variable, ROOT / ".." / "shared" / name)).resolve()
    return path if path.is_dir() else None


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    path = _folder("MIM4D_GOLDEN", "golden")
    if path is None:
        pytest.skip("golden files not found: set MIM4D_GOLDEN to their folder")
    return path


@pytest.fixture
def golden(golden_dir: Path) -> Callable[[str], GoldenFile]:
    """Load a golden file by its name without ending."""

    def load(name: str) -> GoldenFile:
        with safe_open(golden_dir / f"{name}.safetensors", framework="pt") as file:
            names = list(file.keys())
            return GoldenFile({k: file.get_tensor(k) for k in names}, file.metadata() or {})

    return load


@pytest.fixture(scope="session")
def real_data() -> Path:
    path = _folder("MIM4D_REAL_DATA", "data")
    if path is None:
        pytest.skip("real sensor data not found: set MIM4D_REAL_DATA to its folder")
    return path


@pytest.fixture
def seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def assert_golden(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    """Compare as the golden files ask: max |a − b| / max |b|."""
    assert actual.shape == expected.shape, (tuple(actual.shape), tuple(expected.shape))
    scale = expected.abs().max().clamp(min=1e-12)
    difference = ((actual.detach() - expected).abs().max() / scale).item()
    assert difference <= tolerance, f"relative difference {difference:.2e} > {tolerance:.0e}"

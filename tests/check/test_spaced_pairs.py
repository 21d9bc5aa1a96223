"""Pairs of measurements that are some time apart, whatever the sensors' rate."""

from pathlib import Path

import numpy as np
import pytest

from mim4d.check.files import choose_files, list_files
from mim4d.check.findings import Findings
from mim4d.check.lenient_tables import read_table_set
from mim4d.check.spaced_pairs import spaced_pairs


def test_partners_are_the_first_so_much_later(data: Path) -> None:
    """Ten measurements a second: the fourth after each, of its own scene and channel."""
    tables = read_table_set(data, "v1.0-mini", Findings())
    before, after = spaced_pairs(tables)
    rows, group = tables.series
    times = tables["sample_data"]["timestamp_us"]
    assert set(times[after] - times[before]) == {400_000}
    assert (tables.channel_of_data[before] == tables.channel_of_data[after]).all()
    assert (tables.scene_of_data[before] == tables.scene_of_data[after]).all()
    assert len(before) == len(rows) - 4 * len(np.unique(group))


def test_sampled_files_hold_next_ones_and_later_ones(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mim4d.check.files.SAMPLED_FILES", 30)
    tables = read_table_set(data, "v1.0-mini", Findings())
    chosen = set(choose_files(tables, list_files(tables), "sample", Findings()))
    for pairs in (tables.neighbours, spaced_pairs(tables)):
        whole = {int(a) for a, b in zip(*pairs, strict=True) if {a, b} <= chosen}
        assert len(whole) >= 9, pairs

"""The table for a person."""

from dataclasses import replace

from mim4d.study.ablation.markdown import cell, markdown
from mim4d.study.ablation.over_seeds import Spread, Summary, summarise_rows
from mim4d.study.ablation.rows import choose_rows
from tests.study.ablation.made import FACTS, numbers, summary

NOT_MADE = " | ".join("-" * 9)
"""Measures that the made numbers do not have."""


def test_cells() -> None:
    assert cell(Spread({0: 0.2, 1: 0.3}, 0.25, 0.0707), 3) == "0.250 ± 0.071"
    assert cell(Spread({0: 0.2}, 0.2, None), 2, signed=True) == "+0.20"
    assert cell(None, 3) == "-"


def test_every_row_stands_in_the_table_and_beside_full() -> None:
    lines = markdown(summary()).splitlines()
    table = {line.split("`")[1]: line for line in lines[:6] if "`" in line}
    assert list(table) == ["full", "no_flow", "no_mask", "no_drop"]
    assert (
        f"| 0.220 ± 0.028 | - | 0.120 ± 0.028 | {NOT_MADE} | 0.80 ± 0.14 | - | 0.50 ± 0.00 | 0, 1 |"
        in table["full"]
    )
    assert table["no_drop"].endswith(f"| - | - | 0.150 | {NOT_MADE} | - | - | 0.30 | 1 |")
    assert table["no_mask"].endswith("| none yet |")
    effects = {line.split("`")[1]: line for line in lines[6:] if line.startswith("| `")}
    assert list(effects) == ["no_flow", "no_mask", "no_drop"]
    assert effects["no_flow"] == (
        f"| `no_flow` | **+0.040 ± 0.014** | - | +0.000 ± 0.014 | {NOT_MADE} | - | - | "
        "**-0.10 ± 0.00** |"
    )
    assert effects["no_drop"] == f"| `no_drop` | - | - | +0.010 | {NOT_MADE} | - | - | -0.20 |"


def test_the_notes_say_what_the_numbers_are() -> None:
    text = markdown(summary())
    for part in (
        "`mim4d ablate demo --data WORLD --out DIR`",
        "700 optimiser steps",
        "same 36 frames of 12 held-out scenes, of 48",
        "every 8th pixel: 1000 of them, 98 to 100 (by row) on what moves",
        "50 to 60 (by row) points within 20 m",
        "torch 2.6",
        "Left out: `no_lidar` (changes nothing of demo)",
    ):
        assert part in text


def test_training_scenes_are_not_called_held_out() -> None:
    facts = replace(FACTS, held_out=False)
    assert "TRAINING" in markdown(Summary(summary().rows, facts))


def test_nothing_finished_yet() -> None:
    text = markdown(Summary(summarise_rows(choose_rows(["copy"]), {}), None))
    assert text.count("none yet") == 2


def test_a_task_has_a_column_where_a_row_learned_it() -> None:
    rows = choose_rows(["no_flow"])
    found = {("full", 0): numbers(downstream=12.3), ("no_flow", 0): numbers(downstream=11.0)}
    text = markdown(Summary(summarise_rows(rows, found), None))
    assert "vehicles, IoU % ↑" in text
    assert "| 12.3 |" in text
    assert "| -1.3 |" in text
    assert "vehicles, IoU" not in markdown(summary())

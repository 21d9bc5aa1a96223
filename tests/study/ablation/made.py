"""Small summaries made by hand."""

from mim4d.study.ablation.facts import Facts
from mim4d.study.ablation.measure import MEASURES, Numbers
from mim4d.study.ablation.over_seeds import Summary, summarise_rows
from mim4d.study.ablation.rows import choose_rows

FACTS = Facts(
    command="mim4d ablate demo --data WORLD --out DIR",
    preset="demo",
    steps=700,
    versions=("mim4d 1.0 (abc), Python 3.11, torch 2.6",),
    machine="a machine",
    truth="exact distance",
    moving_by="exact scene flow",
    num_targets=36,
    num_common=48,
    num_full=72,
    num_scenes=12,
    stride=8,
    held_out=True,
    pixels=(1000, 1000),
    moving_pixels=(98, 100),
    flow_points=(50, 60),
    left_out={"no_lidar": "changes nothing of demo"},
)


def numbers(**known: float) -> Numbers:
    return {measure.name: known.get(measure.name) for measure in MEASURES}


def summary() -> Summary:
    """`full` and `no_flow` with two seeds, `no_drop` with one, `no_mask` not yet."""
    rows = choose_rows(["no_flow", "no_drop", "no_mask"])
    found = {
        ("full", 0): numbers(rebuilt=0.20, direct=0.10, flow_epe=0.7, seconds_per_step=0.5),
        ("full", 1): numbers(rebuilt=0.24, direct=0.14, flow_epe=0.9, seconds_per_step=0.5),
        ("no_flow", 0): numbers(rebuilt=0.25, direct=0.09, seconds_per_step=0.4),
        ("no_flow", 1): numbers(rebuilt=0.27, direct=0.15, seconds_per_step=0.4),
        ("no_drop", 1): numbers(direct=0.15, seconds_per_step=0.3),
    }
    return Summary(summarise_rows(rows, found), FACTS)

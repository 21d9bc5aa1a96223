"""Parts of a training step, this checkout's against another one's, in turn in one run.

Both sides get the same weights and inputs, each in a process of its own; ratios are this checkout's
processor seconds (and peak memory) over the other's, so that 0.6 means 40 % saved. Outputs and
gradients of both sides are compared at the end. Needs an older checkout with its `src` folder, no
installation:

    git worktree add ../before v0.1
    python benchmarks/against.py --old ../before --part render step --rounds 5 --threads 1

Parts: encoder (masked ConvNeXt-S, 6 images of 480×800, recomputed blocks), neck_depth, lift_lookup,
lift_splat, volume_conv, warp, decoder, render (12,288 rays × 96 samples), step (18 images, forward,
losses, backward, optimiser). With `--shapes demo` all of them at the demo's sizes, its encoder and
flow included; where the two checkouts' presets differ, `--config FILE` gives both the same:

    python benchmarks/against.py --old ../before --shapes demo --part step \\
        --config tests/stored/configs/demo_until_0.1.0.dev0.json
"""

import argparse
import json
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SOURCE))

from mim4d.study.bench.parts.alternate import compare  # noqa: E402
from mim4d.study.bench.parts.parameters import PARTS, SHAPES, Parameters  # noqa: E402
from mim4d.study.bench.parts.sides import Side  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--old", type=Path, required=True, help="the other checkout")
    parser.add_argument("--part", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--shapes", default="official_080", choices=SHAPES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--precision", default="fp32", choices=("fp32", "preset"))
    parser.add_argument("--backward-only", action="store_true", help="no forward passes alone")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of outputs, relative")
    parser.add_argument(
        "--gradient-tolerance",
        type=float,
        default=1e-2,
        help="of every gradient; look-ups have kinks that rounding decides",
    )
    parser.add_argument("--config", type=Path, help="a configuration in place of the preset")
    parser.add_argument("--json", type=Path, help="where the numbers go")
    options = parser.parse_args()
    ways = (True,) if options.backward_only else (False, True)
    found, differ = [], False
    for part in options.part:
        for threads in options.threads:
            parameters = Parameters(
                part,
                options.shapes,
                threads=threads,
                precision=options.precision,
                config=None if options.config is None else str(options.config.resolve()),
            )
            for comparison in compare(
                parameters,
                Side("new", SOURCE),
                Side.of_checkout("old", options.old),
                rounds=options.rounds,
                ways=ways,
                count_flops=False,
            ):
                print(comparison, flush=True)
                found.append(comparison)
            last = found[-1]
            equal = (
                last.output_error <= options.tolerance
                and last.gradient_error <= options.gradient_tolerance
            )
            differ |= not equal
            print(
                f"{part}, {threads} thread(s): outputs differ by {last.output_error:.1e}, "
                f"gradients by at most {last.gradient_error:.1e} ({last.worst_gradient or 'none'})"
                + ("" if equal else ": NOT EQUAL"),
                flush=True,
            )
    if options.json is not None:
        options.json.write_text(json.dumps([c.as_dict() for c in found], indent=2) + "\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())

"""How well a run measures distance, renders colour and knows free space on held-out clips.

`evaluate` does it, `view` says what is looked at, `truth` what is true of it, `predict` what the
model says, `baselines` what needs no learning; `masked` asks about hidden patches; `depth_probs`
and `exact_volume` put exact depths and volumes in the place of learned ones. `scoring` feeds all
rows; `scores`, `colour`, `headline` and `table` make numbers and text of them; `flow` does the same
for scene flow, and `flight` moves a camera.
Definitions: docs/measures.md.
"""

from mim4d.evaluation.evaluate import evaluate_run
from mim4d.evaluation.flow.rows import FlowEvaluation
from mim4d.evaluation.flow.scores import FlowRow
from mim4d.evaluation.flow.truth import FlowTruth
from mim4d.evaluation.predict import (
    FramePrediction,
    RenderedFrame,
    frame_volumes,
    predict_frame,
    render_frame,
)
from mim4d.evaluation.scores import Row
from mim4d.evaluation.table import (
    BEAM_COLUMNS,
    COLOUR_COLUMNS,
    COLUMNS,
    REFERENCE_NAMES,
    ROW_NAMES,
    Evaluation,
)
from mim4d.evaluation.truth import FrameTruth, TruthReader
from mim4d.evaluation.view import MAX_M, MIN_M, EvaluatedView, spread

__all__ = [
    "BEAM_COLUMNS",
    "COLOUR_COLUMNS",
    "COLUMNS",
    "MAX_M",
    "MIN_M",
    "REFERENCE_NAMES",
    "ROW_NAMES",
    "EvaluatedView",
    "Evaluation",
    "FlowEvaluation",
    "FlowRow",
    "FlowTruth",
    "FramePrediction",
    "FrameTruth",
    "RenderedFrame",
    "Row",
    "TruthReader",
    "evaluate_run",
    "frame_volumes",
    "predict_frame",
    "render_frame",
    "spread",
]

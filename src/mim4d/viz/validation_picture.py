"""What a model in training says of a held-out clip, drawn at every validation."""

from pathlib import Path

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.evaluation import EvaluatedView
from mim4d.evaluation.asked_clips import ask_clip
from mim4d.evaluation.detection.predict import detected_clip
from mim4d.evaluation.map_views import map_view
from mim4d.evaluation.occupancy_views import occupancy_view
from mim4d.evaluation.painted_clips import painted_clip
from mim4d.evaluation.rendered_clip import see_frame
from mim4d.tasks.bev_segmentation import BevSegmentation
from mim4d.tasks.detection.task import Detection
from mim4d.tasks.hd_map import HdMap
from mim4d.tasks.occupancy import Occupancy
from mim4d.training.modules import PretrainingModule, TaskModule
from mim4d.training.step_module import StepModule
from mim4d.viz.bev_picture import draw_painted
from mim4d.viz.detection_picture import draw_detected
from mim4d.viz.map_lines import draw_maps
from mim4d.viz.occupancy_slices import draw_slices
from mim4d.viz.strip import draw_strip

_STRIDE, _MIN_SCORE = 4, 0.3


def draw_validation(
    module: StepModule, dataset: NuscenesDataset, index: int, out: Path
) -> Path | None:
    """Draw one clip; None where nothing draws the task.

    Args:
        module: In evaluation mode.
        dataset: Clips.
        index: Which.
        out: Picture to write.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    match module:
        case PretrainingModule():
            view = EvaluatedView.of(module.config, _STRIDE)
            seen = see_frame(module.model, dataset, index, view, module.device.type)
            return draw_strip(seen).save(out)
        case TaskModule():
            return _draw_task(module, dataset, index, out)
    raise TypeError(f"nothing draws a {type(module).__name__}")


def _draw_task(module: TaskModule, dataset: NuscenesDataset, index: int, out: Path) -> Path | None:
    model, task = module.model, module.task
    if isinstance(task, Detection):
        found = detected_clip(model, task, dataset, index, is_labelled=True)
        return draw_detected(found, _MIN_SCORE, out)
    one = ask_clip(model, task, dataset, index, trained_on=False)
    match task:
        case BevSegmentation():
            return draw_painted(painted_clip(task, one), out.parent).replace(out)
        case HdMap():
            return draw_maps(map_view(task, one)).save(out)
        case Occupancy():
            return draw_slices(occupancy_view(task, one)).save(out)
    return None

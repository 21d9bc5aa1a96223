"""What is trained in the steps of `StepModule`: a pre-training, or a task."""

from torch import Tensor
from torch.profiler import record_function

from mim4d.build.pretraining import build_comparison
from mim4d.config import PretrainConfig, TaskConfig
from mim4d.data.clip import Clip
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.objective import LossWeights, pretraining_losses
from mim4d.tasks.model import TaskModel
from mim4d.tasks.task import Task
from mim4d.training.sampling import step_generators
from mim4d.training.step_module import StepModule


class PretrainingModule(StepModule):
    """Trains a `MaskedVideoModel`; everything random is drawn from (seed, step, place).

    Args:
        model: What is trained.
        config: Of the run.
        world_size: Processes that train together.
    """

    model: MaskedVideoModel
    config: PretrainConfig

    def __init__(
        self, model: MaskedVideoModel, config: PretrainConfig, world_size: int = 1
    ) -> None:
        super().__init__(model, config, world_size)
        self.weights = LossWeights(
            colour=config.loss.colour_weight,
            distance=config.loss.distance_weight,
            relative_distance=config.loss.relative_distance_weight,
            eikonal=config.loss.eikonal_weight,
            predicted=config.loss.predicted_weight,
            depth=config.loss.depth_weight,
            photometric=config.loss.photometric_weight,
            sweep=config.loss.sweep_weight,
            sweep_distance=config.loss.sweep_distance_weight,
            depth_sweep=config.loss.depth_sweep_weight,
            smoothness=config.loss.smoothness_weight,
            obstacle=config.loss.obstacle_weight,
            flow_render=config.loss.flow_render_weight,
            flow_smoothness=config.loss.flow_smoothness_weight,
            flow_static=config.loss.flow_static_weight,
            flow_label=config.loss.flow_label_weight,
            comparison=build_comparison(config),
        )

    def step_losses(self, clip: Clip, step: int, places: range | None = None) -> dict[str, Tensor]:
        """Draw what is random, rebuild, compare; `loss` is the losses' weighted sum."""
        places = range(clip.batch_size) if places is None else places
        with record_function("choose"):
            generators = step_generators(self.config.seed, step, places)
            choices = self.model.draw_choices(clip, generators)
        reconstruction = self.model(clip, choices)
        with record_function("losses"):
            encoder = self.model.encoder
            return pretraining_losses(
                reconstruction, choices, clip, self.weights, encoder.depth_head.bins, encoder.grid
            )


class TaskModule(StepModule):
    """Trains a `TaskModel`.

    Args:
        model: What is trained.
        task: What it learns.
        config: Of the run.
        world_size: Processes that train together.
    """

    model: TaskModel
    config: TaskConfig

    def __init__(
        self, model: TaskModel, task: Task, config: TaskConfig, world_size: int = 1
    ) -> None:
        super().__init__(model, config, world_size)
        self.task = task

    def step_losses(self, clip: Clip, step: int, places: range | None = None) -> dict[str, Tensor]:
        """The task's losses; nothing but stochastic depth is random here."""
        targets = self.task.targets(clip)
        output = self.model(clip)
        with record_function("losses"):
            return self.task.losses(output, targets)

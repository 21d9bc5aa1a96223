"""The steps of every preset on a GPU that is not there: torch's fake tensors tell of devices.

A tensor left on the CPU, or an operator without a shape on `cuda`, fails here. Values are not
computed, so nothing is said about numbers; what depends on data (which rays, which patches) is
drawn on the CPU, as in training, and moved. The backward pass asks the driver, and is left out.
All presets take minutes: `make nightly` has them, `make test` the smallest.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from mim4d.build.pretraining import build_model
from mim4d.build.tasks import build_task
from mim4d.config import PretrainConfig
from mim4d.config.presets import PRESETS, preset, task_preset
from mim4d.pretraining.draw import draw_step
from mim4d.tasks.task import TaskInImages
from mim4d.tensors.records import map_tensors
from mim4d.training.modules import PretrainingModule, TaskModule
from mim4d.training.sampling import step_generators
from tests.tasks.scene import Box, clip_with
from tests.toy import toy_clip

STEPS = (
    *(("bev_segmentation", "toy"), ("occupancy", "toy"), ("vehicles", "toy")),
    *(("bev_segmentation", "demo"), ("occupancy", "demo"), ("vehicles", "demo")),
    *(("bev_segmentation", "cvt_setting2"), ("bev_segmentation", "pointbev_like_448x800")),
)
"""Task and preset; the first three are not only for `make nightly`."""


def small(config: PretrainConfig) -> PretrainConfig:
    """The preset with images as small as they may be: devices do not depend on sizes."""
    clip = replace(config.clip, image_height=64, image_width=96)
    render = replace(config.render, rays_per_camera=16)
    return replace(
        config, clip=clip, render=render, encoder=replace(config.encoder, weights="random")
    )


def move(module: nn.Module, to: Callable[[Tensor], Tensor]) -> None:
    """Put fake parameters and buffers in the place of a module's own."""
    for part in module.modules():
        for name, value in list(part.named_parameters(recurse=False)):
            part.register_parameter(name, nn.Parameter(to(value.detach()), value.requires_grad))
        for name, buffer in list(part.named_buffers(recurse=False)):
            part._buffers[name] = to(buffer)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS if "MIM4D_FUZZ" in os.environ else ["toy"])
def test_a_step_of_pretraining(name: str) -> None:
    config = replace(small(preset(name)), precision="fp32")  # autocast asks the driver
    torch.manual_seed(0)
    model = build_model(config)
    clip = toy_clip(0, frames=config.clip.frames)
    module = PretrainingModule(model, config)
    choices, targets = draw_step(model, clip, step_generators(0, 0, range(1)))
    shapes = ShapeEnv(allow_dynamic_output_shape_ops=True, allow_scalar_outputs=True)
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=shapes) as mode:

        def to(value: Tensor) -> Tensor:
            return mode.from_tensor(value, static_shapes=True).to("cuda")

        move(module, to)
        records: list[Any] = [map_tensors(record, to) for record in (clip, choices, targets)]
        losses = module.objective(module.model(records[0], records[1]), records[2], records[0])
    assert {value.device.type for value in losses.values()} == {"cuda"}
    assert losses["loss"].requires_grad


@pytest.mark.slow
@pytest.mark.parametrize(("task_name", "name"), STEPS if "MIM4D_FUZZ" in os.environ else STEPS[:3])
def test_a_step_and_an_answer_of_a_task(task_name: str, name: str) -> None:
    """Depth from LiDAR beside the labels; tasks that match boxes or lines do so on the CPU."""
    config = task_preset(name, task_name)
    smaller = replace(config.clip, image_height=64, image_width=96)
    config = replace(config, clip=smaller, precision="fp32", depth_loss_weight=1.0)
    torch.manual_seed(0)
    task, model = build_task(config)
    module = TaskModule(model, task, config)
    clip = clip_with(Box(5.0, 3.0), Box(-9.0, 4.0, kind=1))
    targets = task.targets(clip)
    shapes = ShapeEnv(allow_dynamic_output_shape_ops=True, allow_scalar_outputs=True)
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=shapes) as mode:

        def to(value: Tensor) -> Tensor:
            return mode.from_tensor(value, static_shapes=True).to("cuda")

        move(model, to)
        frames, true = (map_tensors(record, to) for record in (clip, targets))
        seen = model.look(frames)
        output = model.head(seen.volume)
        losses = {**task.losses(output, true), "depth": module._depth_loss(seen)}
        answer = task.decode(output)
    assert {value.device.type for value in (*losses.values(), answer)} == {"cuda"}
    assert losses["loss"].requires_grad
    assert losses["depth"].requires_grad


def test_boxes_in_images_stay_on_the_device() -> None:
    config = replace(task_preset("toy", "detection"), image_loss_weight=1.0)
    task, model = build_task(config)
    assert isinstance(task, TaskInImages)
    assert model.image_head is not None
    clip = clip_with(Box(5.0, 3.0), Box(-9.0, 4.0, kind=1))
    targets = task.targets(clip)
    shapes = ShapeEnv(allow_dynamic_output_shape_ops=False, allow_scalar_outputs=False)
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=shapes) as mode:

        def to(value: Tensor) -> Tensor:
            return mode.from_tensor(value, static_shapes=True).to("cuda")

        move(model.image_head, to)
        frames, true = map_tensors(clip, to), [map_tensors(boxes, to) for boxes in targets]
        features = to(torch.zeros(clip.num_cameras, config.encoder.neck_channels, 16, 24))
        loss = task.image_loss(model.image_head(features), frames, true)
    assert loss.device.type == "cuda"

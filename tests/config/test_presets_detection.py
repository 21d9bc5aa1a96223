"""Presets of detection at full size, without memory: parameter counts, and one step."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from mim4d.build.tasks import build_task
from mim4d.build.trunk import without_weights_file
from mim4d.config.presets import task_preset
from mim4d.tasks.detection.query_head import Waiting
from tests.tasks.scene import Box, clip_with

# Volume convolutions and head of the released detectors, without the ten code weights of the loss.
RELEASED = {
    "uvtr_convnext_s_080": (1_328_256, 2_041_867 - 10),
    "uvtr_convnext_s_060": (5_310_720, 6_445_594 - 10),
}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", RELEASED)
def test_parameters_of_the_released_detectors(name: str) -> None:
    config = without_weights_file(task_preset(name, "detection"))
    assert config.grid.rotation_deg == (0.0, 0.0, 0.0)
    with torch.device("meta"):
        _, model = build_task(config)
    assert (count(model.encoder.volume_conv), count(model.head)) == RELEASED[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bevdet_r50_256x704"])  # the others take half a minute each
def test_one_step_without_memory(name: str) -> None:
    """Forward and backward at full size under fake tensors: sizes that do not fit would raise.

    Lifting, whose sizes depend on what cameras see, is stood in for.
    """
    config = without_weights_file(task_preset(name, "detection"))
    config = replace(config, encoder=replace(config.encoder, checkpoint_blocks=False))
    clip = clip_with(Box(5.0, 3.0))
    height, width = config.clip.image_height, config.clip.image_width
    with torch.device("meta"):
        _, model = build_task(config)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model.to_empty(device="cpu")
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        shape = (1, config.encoder.neck_channels, *model.encoder.grid.shape_zyx)
        model.encoder.lifting = lambda features, *_: features[0].mean() + torch.zeros(shape)
        images = torch.zeros(1, 1, 6, 3, height, width, dtype=torch.uint8)
        poses = torch.eye(4).expand(1, 1, 6, 4, 4)
        big = replace(
            clip,
            images=images,
            image_sizes=torch.tensor([height, width]).expand(1, 1, 6, 2),
            image_present=torch.ones(1, 1, 6, dtype=torch.bool),
            intrinsics=torch.eye(3).expand(1, 1, 6, 3, 3),
            ref_from_camera=poses,
            image_times_s=torch.zeros(1, 1, 6),
            camera_names=tuple(f"CAM_{i}" for i in range(6)),
        )
        output = model(big)
        said = output.find(None).matched.code if isinstance(output, Waiting) else output.logits
        said.sum().backward()
        trained = [p.grad is not None for p in model.encoder.neck.laterals.parameters()]
    assert all(trained)

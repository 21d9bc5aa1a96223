"""Maps and occupancy of two clips can be learned by heart: nothing on the way is cut off."""

from dataclasses import replace

import pytest
import shapely
import torch

from mim4d.build.tasks import build_task
from mim4d.config import TaskConfig
from mim4d.config.presets import task_preset
from mim4d.data.clip import Clip, collate
from mim4d.data.surface import Surface
from mim4d.training.modules import TaskModule
from tests.tasks.scene import clip_with
from tests.tasks.test_map_targets import town

pytestmark = pytest.mark.slow


def _learned(config: TaskConfig, clip: Clip, steps: int) -> dict[str, dict[str, float]]:
    torch.manual_seed(0)
    task, model = build_task(config)
    module = TaskModule(model, task, config)
    optimizer = torch.optim.AdamW(module.parameters(), lr=4e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 4e-3 * min(1.0, 2 * (1 - step / steps))
        optimizer.zero_grad()
        module.step_losses(clip, step)["loss"].backward()
        optimizer.step()
    model.eval()
    metric = task.build_metric()
    with torch.no_grad():
        metric.update(task.decode(model(clip)), task.targets(clip))
    return metric.compute()


def test_two_maps_are_learned_by_heart() -> None:
    maps = [
        town(
            lane_divider=[shapely.LineString([(-30, y), (30, y + 3)])],
            ped_crossing=[shapely.box(x, -6, x + 4, 6)],
            drivable_area=[shapely.box(-40, -w, 40, w)],
        )
        for x, y, w in ((5, -2, 8), (-14, 3, 11))
    ]
    clips = [replace(clip_with(seed=i), maps=(found,)) for i, found in enumerate(maps)]
    table = _learned(task_preset("toy", "hd_map"), collate(clips), 150)
    assert table["maptr"]["mAP, true classes"] > 0.8


def test_two_occupancies_are_learned_by_heart() -> None:
    generator = torch.Generator().manual_seed(0)
    clips = []
    for i in range(2):
        walls = torch.rand(300, 3, generator=generator) * torch.tensor([60.0, 60.0, 5.5])
        walls = walls - torch.tensor([30.0, 30.0, 0.5])
        origins = torch.tensor([0.0, 0.0, 1.5]).expand(300, 3)
        every = torch.ones(300, dtype=torch.bool)
        surface = Surface(walls, origins, every, torch.full((300,), -1))
        clips.append(replace(clip_with(seed=i), surfaces=(surface,)))
    table = _learned(task_preset("toy", "occupancy"), collate(clips), 250)
    assert table["occupied"]["IoU"] > 0.9

"""The heads of maps and of occupancy learn two volumes by heart: nothing on the way is cut off."""

from dataclasses import replace
from typing import Any

import pytest
import shapely
import torch

from mim4d.config.head import BevTrunkConfig, HdMapHeadConfig, OccupancyHeadConfig
from mim4d.data.clip import Clip, collate
from mim4d.data.surface import Surface
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.tasks.hd_map import HdMap
from mim4d.tasks.occupancy import Occupancy
from tests.tasks.scene import clip_with
from tests.tasks.test_map_targets import town

pytestmark = pytest.mark.slow
GRID = VoxelGrid((-12.0, -8.0, -1.0), (12.0, 8.0, 3.0), (12, 8, 2))


def _learned(task: Any, clip: Clip, steps: int) -> dict[str, dict[str, float]]:
    torch.manual_seed(0)
    head, volumes, truth = task.build_head(8), torch.randn(2, 8, 2, 8, 12), task.targets(clip)
    optimizer = torch.optim.AdamW(head.parameters(), lr=5e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 5e-3 * min(1.0, 2 * (1 - step / steps))
        optimizer.zero_grad()
        task.losses(head(volumes), truth)["loss"].backward()
        optimizer.step()
    metric = task.build_metric()
    with torch.no_grad():
        metric.update(task.decode(head.eval()(volumes)), truth)
    return metric.compute()


def test_two_maps_are_learned_by_heart() -> None:
    maps = [
        town(
            lane_divider=[shapely.LineString([(-30, y), (30, y + 3)])],
            ped_crossing=[shapely.box(x, -4, x + 4, 4)],
            drivable_area=[shapely.box(-40, -w, 40, w)],
        )
        for x, y, w in ((3, -2, 3), (-6, 1, 4))
    ]
    clips = [replace(clip_with(seed=i), maps=(found,)) for i, found in enumerate(maps)]
    options = HdMapHeadConfig(
        range_xy_m=(20.0, 10.0),
        cells_xy=(20, 10),
        lines=8,
        points=5,
        layers=2,
        trunk=BevTrunkConfig(width=32, scales=1),
    )
    table = _learned(HdMap(options, GRID), collate(clips), 150)
    assert table["maptr"]["mAP, true classes"] > 0.8


def test_two_occupancies_are_learned_by_heart() -> None:
    generator = torch.Generator().manual_seed(0)
    clips = []
    for i in range(2):
        points = torch.rand(150, 3, generator=generator) * torch.tensor([24.0, 16.0, 4.0])
        points = points - torch.tensor([12.0, 8.0, 1.0])
        origins = torch.tensor([0.0, 0.0, 1.5]).expand(150, 3)
        every = torch.ones(150, dtype=torch.bool)
        surface = Surface(points, origins, every, torch.full((150,), -1))
        clips.append(replace(clip_with(seed=i), surfaces=(surface,)))
    table = _learned(Occupancy(OccupancyHeadConfig(hidden=64), GRID), collate(clips), 100)
    assert table["occupied"]["IoU"] > 0.9

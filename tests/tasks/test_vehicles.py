"""Which boxes are vehicles, and what is refused."""

import pytest

from mim4d.build.tasks import build_task
from mim4d.config.presets import task_preset
from mim4d.errors import DataError
from mim4d.tasks.vehicles import Vehicles, vehicle_classes
from tests.tasks.scene import Box, clip_with

NUSCENES = (
    "animal",
    "human.pedestrian.construction_worker",
    "movable_object.barrier",
    "static_object.bicycle_rack",
    "vehicle.bicycle",
    "vehicle.bus.bendy",
    "vehicle.bus.rigid",
    "vehicle.car",
    "vehicle.construction",
    "vehicle.emergency.ambulance",
    "vehicle.emergency.police",
    "vehicle.motorcycle",
    "vehicle.trailer",
    "vehicle.truck",
    "vehicle",
)


def test_vehicles_are_those_of_cvt() -> None:
    found = [NUSCENES[row] for row in vehicle_classes(NUSCENES)]
    assert found == [*NUSCENES[4:9], *NUSCENES[11:14]]


def test_a_data_set_without_vehicles_is_refused() -> None:
    for names in ((), ("animal",)):
        with pytest.raises(
            DataError, match=r"needs boxes of vehicles.*(none|animal).*vehicle\.car"
        ):
            vehicle_classes(names)


def test_targets_of_a_clip() -> None:
    """A car counts, a pedestrian and a police car do not, an unseen car is ignored."""
    task, _ = build_task(task_preset("toy", "vehicles"))
    assert isinstance(task, Vehicles)
    truth = task.targets(
        clip_with(
            Box(9.0, 1.0), Box(-9.0, 1.0, kind=1), Box(-9.0, 9.0, kind=2), Box(9.0, -9.0, points=0)
        )
    )
    centres = task.centres[truth.occupied[0]]
    assert truth.occupied.shape == (1, 32, 32)
    assert centres.tolist() == [[x, y] for y in (1.0,) for x in (7.0, 9.0, 11.0)]
    assert task.centres[truth.ignored[0]][:, 1].tolist() == [-9.0] * 3

import pytest

from mim4d.world.objects.classes import ATTRIBUTES, CATEGORIES, DETECTION_CLASS, attribute_of


def test_all_ten_detection_classes_are_covered():
    assert set(DETECTION_CLASS.values()) == {
        "barrier",
        "bicycle",
        "bus",
        "car",
        "construction_vehicle",
        "motorcycle",
        "pedestrian",
        "traffic_cone",
        "trailer",
        "truck",
    }


@pytest.mark.parametrize(
    ("category", "speed_mps", "parked", "rider", "expected"),
    [
        ("vehicle.car", 3.0, False, False, "vehicle.moving"),
        ("vehicle.car", 0.0, False, False, "vehicle.stopped"),
        ("vehicle.trailer", 0.0, True, False, "vehicle.parked"),
        ("vehicle.bicycle", 4.0, False, True, "cycle.with_rider"),
        ("vehicle.motorcycle", 0.0, True, False, "cycle.without_rider"),
        ("human.pedestrian.child", 1.0, False, False, "pedestrian.moving"),
        ("human.pedestrian.construction_worker", 0.1, True, False, "pedestrian.standing"),
        ("movable_object.barrier", 0.0, True, False, ""),
        ("movable_object.trafficcone", 0.0, True, False, ""),
    ],
)
def test_attribute(category, speed_mps, parked, rider, expected):
    assert attribute_of(category, speed_mps, parked, rider) == expected


def test_every_category_gets_an_attribute_of_its_group():
    for category in CATEGORIES:
        attribute = attribute_of(category, 5.0, False, True)
        assert attribute in ATTRIBUTES or category.startswith("movable_object")


def test_an_unknown_category_is_named():
    with pytest.raises(ValueError, match=r"vehicle\.tram"):
        attribute_of("vehicle.tram", 0.0, False, False)

"""Points in boxes seen from above, against a slow twin that turns each point by itself."""

import math

import torch

from mim4d.geometry.footprints import in_footprints


def _box(x: float, y: float, length: float, width: float, yaw: float) -> list[float]:
    return [x, y, 0.5, length, width, 1.0, yaw]


def test_by_hand() -> None:
    """A box of 4 × 2 m, straight, turned by 90° and by 45°; edges belong to it."""
    boxes = [[_box(1.0, 0.0, 4.0, 2.0, yaw) for yaw in (0.0, math.pi / 2, math.pi / 4)]]
    points = [[[3.0, 1.0], [1.0, 1.9], [2.4, 1.4], [3.1, 0.0], [1.0, 0.0]]]
    inside = in_footprints(torch.tensor(points), torch.tensor(boxes))
    assert inside[0].tolist() == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
        [False, False, False],
        [True, True, True],
    ]


def test_equals_the_slow_twin(seed: torch.Generator) -> None:
    points = 10 * torch.rand(2, 50, 2, generator=seed, dtype=torch.float64) - 5
    boxes = torch.rand(2, 6, 9, generator=seed, dtype=torch.float64) * 6 - 3
    boxes[..., 3:6] = boxes[..., 3:6].abs() + 0.1
    found = in_footprints(points, boxes)
    for m in range(2):
        for p in range(50):
            for k in range(6):
                x, y, _, length, width, _, yaw = boxes[m, k, :7].tolist()
                away = complex(*points[m, p].tolist()) - complex(x, y)
                own = away * complex(math.cos(yaw), -math.sin(yaw))
                twin = abs(own.real) <= length / 2 and abs(own.imag) <= width / 2
                assert bool(found[m, p, k]) == twin
    assert found.any()
    assert not found.all()


def test_no_boxes() -> None:
    assert in_footprints(torch.zeros(1, 3, 2), torch.zeros(1, 0, 9)).shape == (1, 3, 0)

import math

import torch

from mim4d.geometry.ground_plane import is_road, reach_of_ground


def test_rays_by_hand() -> None:
    origins = torch.tensor([0.0, 0.0, 1.5])
    directions = torch.tensor([[0.0, 0.0, -1.0], [0.6, 0.0, -0.8], [1.0, 0.0, 0.0], [0.6, 0, 0.8]])
    reach = reach_of_ground(origins.expand(4, 3), directions)
    torch.testing.assert_close(reach[:2], torch.tensor([1.5, 1.875]))
    assert reach[2:].tolist() == [math.inf, math.inf]  # level, and upwards


def test_it_counts_in_lengths_of_the_direction() -> None:
    origin, direction = torch.tensor([[3.0, 0.0, 2.0]]), torch.tensor([[4.0, 1.0, -0.5]])
    torch.testing.assert_close(reach_of_ground(origin, direction), torch.tensor([4.0]))
    torch.testing.assert_close(reach_of_ground(origin, 2 * direction), torch.tensor([2.0]))


def test_from_the_ground_or_below_it_is_never_met() -> None:
    origins = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    assert reach_of_ground(origins, torch.tensor([[1.0, 0.0, -1.0]])).isinf().all()


def test_what_lies_near_the_flat_ground_is_road() -> None:
    """Within 5 % of the measured distance, on either side; where no ground is met, nothing is."""
    distances, ground = torch.tensor([10.0, 10.0, 10.0, 10.0]), torch.tensor([10.4, 9.6, 10.6, 9.4])
    assert is_road(distances, ground).tolist() == [True, True, False, False]
    assert not is_road(distances, torch.full((4,), torch.inf)).any()

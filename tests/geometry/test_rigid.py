import math

import pytest
import torch

from mim4d.geometry.rigid import (
    compose,
    invert_rigid,
    lengths,
    quaternion_from_rotation,
    rigid_from_rotation_translation,
    rotation_from_quaternion,
    rotation_from_yaw,
    transform_points,
    yaw_from_rotation,
)

HALF = math.sqrt(0.5)


def random_rigid(seed, *shape):
    rotation = rotation_from_quaternion(torch.randn(*shape, 4, generator=seed))
    return rigid_from_rotation_translation(rotation, 30 * torch.randn(*shape, 3, generator=seed))


@pytest.mark.parametrize(
    ("quaternion", "rotation"),
    [
        ([1, 0, 0, 0], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ([-1, 0, 0, 0], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ([HALF, 0, 0, HALF], [[0, -1, 0], [1, 0, 0], [0, 0, 1]]),  # x to y about z
        ([HALF, HALF, 0, 0], [[1, 0, 0], [0, 0, -1], [0, 1, 0]]),  # y to z about x
        ([HALF, 0, HALF, 0], [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),  # z to x about y
        ([0, 0, 0, 2], [[-1, 0, 0], [0, -1, 0], [0, 0, 1]]),  # length 2 is normalised
        # A camera looking along the car's x: right is −y, down is −z.
        ([0.5, -0.5, 0.5, -0.5], [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
    ],
)
def test_quaternion_known_answers(quaternion, rotation):
    actual = rotation_from_quaternion(torch.tensor(quaternion, dtype=torch.float64))
    expected = torch.tensor(rotation, dtype=torch.float64)
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=0)


def test_rotations_are_orthonormal(seed):
    rotation = rotation_from_quaternion(torch.randn(20, 4, generator=seed, dtype=torch.float64))
    identity = torch.eye(3, dtype=torch.float64).expand(20, 3, 3)
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), identity)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(20, dtype=torch.float64))


def test_invert_then_compose_is_identity(seed):
    a_from_b = random_rigid(seed, 2, 5)
    identity = torch.eye(4).expand(2, 5, 4, 4)
    b_from_a = invert_rigid(a_from_b)
    torch.testing.assert_close(compose(b_from_a, a_from_b), identity, atol=2e-5, rtol=0)
    torch.testing.assert_close(compose(a_from_b, b_from_a), identity, atol=2e-5, rtol=0)
    torch.testing.assert_close(compose(a_from_b, a_from_b), a_from_b @ a_from_b)


def test_transform_there_and_back(seed):
    a_from_b = random_rigid(seed, 3)
    points = 40 * torch.randn(3, 7, 3, generator=seed)
    back = transform_points(invert_rigid(a_from_b), transform_points(a_from_b, points))
    torch.testing.assert_close(back, points, atol=5e-5, rtol=0)


def test_transform_by_hand():
    # A quarter turn to the left, then 10 m along x: one metre ahead of b is one metre left in a.
    a_from_b = rigid_from_rotation_translation(
        rotation_from_yaw(torch.tensor(math.pi / 2)), torch.tensor([10.0, 0, 0])
    )
    points = transform_points(a_from_b, torch.tensor([[1.0, 0, 0], [0, 2, 3]]))
    torch.testing.assert_close(points, torch.tensor([[10.0, 1, 0], [8, 0, 3]]))


def test_transform_broadcasts(seed):
    a_from_b = random_rigid(seed, 2, 1)
    points = torch.randn(1, 3, 4, 3, generator=seed)
    moved = transform_points(a_from_b, points)
    assert moved.shape == (2, 3, 4, 3)
    torch.testing.assert_close(moved[1, 2], transform_points(a_from_b[1, 0], points[0, 2]))


def test_coordinates_of_results_lie_apart_in_memory(seed):
    points = transform_points(random_rigid(seed), torch.randn(5, 3, generator=seed))
    assert all(coordinate.is_contiguous() for coordinate in points.unbind(-1))


def test_lengths_by_hand_and_like_the_norm(seed):
    points = transform_points(random_rigid(seed, 2), torch.randn(2, 5, 3, generator=seed))
    assert lengths(torch.tensor([[3.0, 4.0, 12.0], [0.0, 0.0, 0.0]])).tolist() == [13.0, 0.0]
    assert lengths(torch.tensor([[-2.0]])).tolist() == [2.0]
    torch.testing.assert_close(lengths(points), points.norm(dim=-1))


def test_coordinates_keep_their_precision_under_autocast(seed):
    a_from_b = random_rigid(seed, 3)
    points = 40 * torch.randn(3, 7, 3, generator=seed)
    expected, inverse = transform_points(a_from_b, points), invert_rigid(a_from_b)
    twice = compose(a_from_b, a_from_b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(transform_points(a_from_b, points), expected)
        assert torch.equal(invert_rigid(a_from_b), inverse)
        assert torch.equal(compose(a_from_b, a_from_b), twice)


def test_yaw_there_and_back():
    yaw = torch.tensor([-3.0, -1.5, 0.0, 0.7, 3.1])
    torch.testing.assert_close(yaw_from_rotation(rotation_from_yaw(yaw)), yaw)
    left = rotation_from_yaw(torch.tensor(math.pi / 2)) @ torch.tensor([1.0, 0, 0])
    torch.testing.assert_close(left, torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)


def test_quaternions_come_back_from_rotations(seed: torch.Generator) -> None:
    """Also half turns, whose first component is 0."""
    turns = torch.cat([torch.randn(50, 4, generator=seed), torch.eye(4)]).double()
    rotation = rotation_from_quaternion(turns)
    back = quaternion_from_rotation(rotation)
    torch.testing.assert_close(rotation_from_quaternion(back), rotation)
    torch.testing.assert_close(back.norm(dim=-1), torch.ones(54).double())
    assert (back[:, 0] >= 0).all()

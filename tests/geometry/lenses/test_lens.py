"""Lenses against OpenCV, against themselves, and against numbers worked out by hand."""

import math

import cv2
import numpy as np
import pytest
import torch

from mim4d.geometry.lenses.lens import Lens, directions_from_pixels, pixels_from_directions

FOCAL, CENTRE = (410.0, 405.0), (321.5, 243.25)
MATRIX = np.array([[FOCAL[0], 0, CENTRE[0]], [0, FOCAL[1], CENTRE[1]], [0, 0, 1]])
BROWN_5 = (-0.28, 0.09, 0.0007, -0.0004, -0.012)
BROWN_8 = (0.21, -0.03, 0.0004, 0.0011, 0.002, 0.52, 0.01, 0.003)
FISHEYE = (0.031, -0.011, 0.0042, -0.0009)
LENSES = [
    Lens("pinhole", FOCAL, CENTRE),
    Lens("brown", FOCAL, CENTRE, BROWN_5[:4]),
    Lens("brown", FOCAL, CENTRE, BROWN_5),
    Lens("brown", FOCAL, CENTRE, BROWN_8),
    Lens("fisheye", FOCAL, CENTRE, FISHEYE),
    Lens("mei", FOCAL, CENTRE, (0.9, -0.05, 0.01, 0.0003, -0.0002)),
    Lens("mei", FOCAL, CENTRE, (1.4, -0.05, 0.01)),
    Lens("ftheta", (1.0, 1.0), CENTRE, (0.0, 400.0, 3.0, -9.0)),
    Lens("ftheta-of-radius", (1.0, 1.0), CENTRE, (0.0, 1 / 400.0, 1e-7, 2e-10)),
]


def directions_within(degrees: float, seed: torch.Generator, count: int = 500) -> torch.Tensor:
    angle = math.radians(degrees) * torch.rand(count, generator=seed, dtype=torch.float64)
    around = 2 * math.pi * torch.rand(count, generator=seed, dtype=torch.float64)
    side = angle.sin()
    return torch.stack([side * around.cos(), side * around.sin(), angle.cos()], dim=-1)


@pytest.mark.parametrize("coefficients", [BROWN_5[:4], BROWN_5, BROWN_8])
def test_brown_conrady_is_opencvs(coefficients, seed):
    directions = directions_within(38.0, seed)
    lens = Lens("brown", FOCAL, CENTRE, coefficients)
    pixels, shown = pixels_from_directions(lens, directions)
    expected, _ = cv2.projectPoints(
        directions.numpy(), np.zeros(3), np.zeros(3), MATRIX, np.array(coefficients)
    )
    assert shown.all()
    assert np.abs(pixels.numpy() - expected[:, 0]).max() < 1e-6


def test_fisheye_is_opencvs(seed):
    directions = directions_within(85.0, seed)
    pixels, shown = pixels_from_directions(Lens("fisheye", FOCAL, CENTRE, FISHEYE), directions)
    expected, _ = cv2.fisheye.projectPoints(
        directions.numpy()[:, None], np.zeros(3), np.zeros(3), MATRIX, np.array(FISHEYE)
    )
    assert shown.all()
    assert np.abs(pixels.numpy() - expected[:, 0]).max() < 1e-6


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
def test_there_and_back(lens, seed):
    directions = directions_within(40.0 if lens.model in ("pinhole", "brown") else 95.0, seed)
    pixels, shown = pixels_from_directions(lens, directions)
    back, seen = directions_from_pixels(lens, pixels)
    assert shown.all()
    assert seen.all()
    assert (back - directions).abs().max() < 1e-9
    again, _ = pixels_from_directions(lens, back)
    assert (again - pixels).abs().max() < 1e-6


def test_what_a_lens_does_not_show_is_said():
    behind = torch.tensor([[0.0, 0, -1]], dtype=torch.float64)
    for lens in LENSES:
        assert not pixels_from_directions(lens, behind)[1].any(), lens.model
    # k1 = -0.28 folds the image back beyond some radius: those directions are not shown.
    folding = Lens("brown", FOCAL, CENTRE, (-0.28, 0.0, 0.0, 0.0))
    radius = 1 / math.sqrt(3 * 0.28)  # where d/dr (r + k1 r³) = 0
    near, far = (torch.tensor([[radius * s, 0, 1]], dtype=torch.float64) for s in (0.99, 1.01))
    assert pixels_from_directions(folding, near)[1].all()
    assert not pixels_from_directions(folding, far)[1].any()
    outermost = FOCAL[0] * radius * 2 / 3 + CENTRE[0]
    beside = torch.tensor([[outermost + 1, CENTRE[1]]], dtype=torch.float64)
    assert not directions_from_pixels(folding, beside)[1].any()


def test_f_theta_by_hand():
    """An image circle of 400 pixels a radian: 45° to the right lies 314.159 pixels aside."""
    direction = torch.tensor([[1.0, 0, 1], [0, -1, 0]], dtype=torch.float64)
    expected = torch.tensor(
        [[100 + 100 * math.pi, 50], [100, 50 - 200 * math.pi]], dtype=torch.float64
    )
    for model, slope in (("ftheta", 400.0), ("ftheta-of-radius", 1 / 400.0)):
        lens = Lens(model, (1.0, 1.0), (100.0, 50.0), (0.0, slope))
        pixels, _ = pixels_from_directions(lens, direction)
        torch.testing.assert_close(pixels, expected, rtol=0, atol=1e-6)


def test_mei_by_hand():
    """ξ = 0 is a pinhole; with ξ = 1 the plane holds tan(θ/2): 90° aside lies f aside."""
    direction = torch.tensor([[1.0, 0, 0], [0, 3, 4]], dtype=torch.float64)
    lens = Lens("mei", (100.0, 100.0), (0.0, 0.0), (1.0, 0.0, 0.0))
    pixels, shown = pixels_from_directions(lens, direction)
    assert shown.all()
    expected = torch.tensor([[100.0, 0], [0, 100 / 3]], dtype=torch.float64)  # 0.6 / (0.8 + 1)
    torch.testing.assert_close(pixels, expected)
    pinhole = Lens("mei", (100.0, 100.0), (0.0, 0.0), (0.0, 0.0, 0.0))
    pixels, _ = pixels_from_directions(pinhole, direction[1:])
    torch.testing.assert_close(pixels, torch.tensor([[0.0, 75.0]], dtype=torch.float64))


def test_a_fisheye_without_coefficients_is_equidistant():
    lens = Lens("fisheye", (200.0, 200.0), (0.0, 0.0), (0.0, 0.0, 0.0, 0.0))
    behind = torch.tensor([[math.sin(1.7), 0, math.cos(1.7)]], dtype=torch.float64)  # 97°
    pixels, shown = pixels_from_directions(lens, behind)
    assert shown.all()
    torch.testing.assert_close(pixels, torch.tensor([[340.0, 0.0]], dtype=torch.float64))


def test_resizing_an_image_resizes_its_lens(seed):
    directions = directions_within(38.0, seed)
    for lens in LENSES:
        pixels, _ = pixels_from_directions(lens, directions)
        halved, _ = pixels_from_directions(lens.scaled(0.5, 0.25), directions)
        torch.testing.assert_close(halved, pixels * torch.tensor([0.5, 0.25]).double())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("orthographic", FOCAL, CENTRE), "expected one of pinhole, brown, fisheye, mei"),
        (("brown", FOCAL, CENTRE, (0.1,)), "1 coefficients, wants 4 or 5 or 8"),
        (("pinhole", (0.0, 1.0), CENTRE), "positive focal lengths"),
        (("fisheye", FOCAL, CENTRE, (0.1, 0.0, 0.0, math.nan)), "finite numbers"),
    ],
)
def test_a_lens_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Lens(*arguments)

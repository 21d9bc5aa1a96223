"""Images of a car between two painted walls: told as exchanged if, and only if, they are."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mim4d.check.camera_motion import MIN_ERRORS, MIN_GAIN, judge_swaps, motion_gains
from mim4d.check.findings import Findings
from mim4d.data.clip import Clip
from tests.viz.clips import HEIGHT, WIDTH, make_clip

WALL_M, STEP_M = 6.0, 1.5
PAINT = torch.rand(1, 3, 60, 400, generator=torch.Generator().manual_seed(0))


def drive(yaws_deg: list[float], step_m: float = STEP_M, frames: int = 3) -> Clip:
    """Cameras that look at the walls beside a car that drives straight ahead."""
    clip = make_clip(yaws_deg, frames)
    poses = clip.ref_from_camera.clone()
    poses[0, :, :, 0, 3] += step_m * torch.arange(frames)[:, None]
    v, u = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    images = torch.zeros_like(clip.images)
    for t in range(frames):
        for n in range(len(yaws_deg)):
            pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1)
            rays = pixels @ torch.linalg.inv(clip.intrinsics[0, t, n]).T
            rays = rays @ poses[0, t, n, :3, :3].T
            far = WALL_M / rays[..., 1].abs().clamp(min=1e-3)
            hit = poses[0, t, n, :3, 3] + rays * far[..., None]
            # The two walls are painted differently: by side, place along the road, and height.
            side = torch.where(rays[..., 1] > 0, 0.35, -0.35)
            place = torch.stack([hit[..., 0] / 40 + side, hit[..., 2] / 6], dim=-1)
            paint = F.grid_sample(PAINT, place[None], align_corners=False)[0]
            images[0, t, n, :, :HEIGHT, :WIDTH] = (255 * paint).byte()
    return replace(clip, images=images, ref_from_camera=poses)


def codes(clip: Clip) -> list[str]:
    findings = Findings()
    judge_swaps(clip, findings)
    return [finding.rule.code for finding in findings]


def exchanged(clip: Clip, i: int, j: int) -> Clip:
    order = list(range(clip.num_cameras))
    order[i], order[j] = j, i
    return replace(clip, images=clip.images[:, :, order])


def test_the_right_calibration_explains_motion_best() -> None:
    gain, error = motion_gains(drive([60.0, -60.0, 110.0]))
    off_diagonal = ~torch.eye(3, dtype=torch.bool)
    assert (gain[off_diagonal] < -MIN_GAIN).all()
    assert (error[off_diagonal] > 0).all()
    assert gain[~off_diagonal].isnan().all()


@pytest.mark.slow
@pytest.mark.parametrize("pair", [(0, 1), (1, 2)])
def test_exchanged_images_are_told(pair: tuple[int, int]) -> None:
    clip = drive([60.0, -60.0, 110.0])
    assert codes(clip) == []
    swapped = exchanged(clip, *pair)
    assert codes(swapped) == ["cameras-swapped"]
    gain, error = motion_gains(swapped)
    for i, j in (pair, pair[::-1]):
        assert float(gain[i, j]) > max(MIN_GAIN, MIN_ERRORS * float(error[i, j]))


@pytest.mark.parametrize(
    ("gains", "errors", "exchanged"),
    [
        ((0.25, 0.10), (0.02, 0.02), True),
        ((0.25, -0.02), (0.02, 0.02), True),  # ahead, motion says little; behind, it says much
        ((0.25, -0.10), (0.02, 0.02), False),  # one calibration is wrong, the other is not
        ((0.03, 0.01), (0.002, 0.002), False),
        ((0.10, 0.10), (0.06, 0.06), False),
        ((-0.02, -0.15), (0.02, 0.02), False),
        ((0.25, math.nan), (0.02, math.nan), False),
    ],
)
def test_what_counts_as_exchanged(
    gains: tuple[float, float],
    errors: tuple[float, float],
    exchanged: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def matrix(values: tuple[float, float]) -> torch.Tensor:
        return torch.tensor([[math.nan, values[0]], [values[1], math.nan]])

    known = (matrix(gains), matrix(errors))
    monkeypatch.setattr("mim4d.check.camera_motion.motion_gains", lambda clip: known)
    assert codes(make_clip([0.0, 180.0], 2)) == (["cameras-swapped"] if exchanged else [])


@pytest.mark.slow
def test_exchanged_images_of_front_and_rear_are_told() -> None:
    clip = drive([0.0, 180.0])
    assert codes(clip) == []
    assert codes(exchanged(clip, 0, 1)) == ["cameras-swapped"]


def test_a_car_that_stands_or_a_lone_frame_says_nothing() -> None:
    clip = exchanged(drive([60.0, -60.0], step_m=0.0), 0, 1)
    assert codes(clip) == []
    assert motion_gains(clip)[0].isnan().all()
    assert codes(exchanged(drive([60.0, -60.0], frames=1), 0, 1)) == []


def test_cameras_of_other_sizes_are_not_compared() -> None:
    clip = exchanged(drive([60.0, -60.0]), 0, 1)
    sizes = clip.image_sizes.clone()
    sizes[:, :, 1] -= 8
    assert codes(replace(clip, image_sizes=sizes)) == []

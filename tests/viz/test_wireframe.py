import torch

from mim4d.data.augment.bev_transform import BevTransform
from mim4d.geometry.box_corners import box_corners
from mim4d.geometry.rigid import invert_rigid, transform_points
from mim4d.viz.wireframe import box_segments, left_to_right, project_segments
from tests.viz.clips import FOCAL, HEIGHT, WIDTH, camera_poses, make_clip, without_image

INTRINSICS = torch.tensor([[FOCAL, 0.0, WIDTH / 2], [0.0, FOCAL, HEIGHT / 2], [0.0, 0.0, 1.0]])


def seen(segments_ego: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Segments in ego as the front camera of the test rig (1 m above the ground) sees them."""
    camera_from_ego = invert_rigid(camera_poses([0.0]))[0]
    flat = transform_points(camera_from_ego, segments_ego.reshape(-1, 3)).reshape(-1, 2, 3)
    return project_segments(INTRINSICS, flat, (HEIGHT, WIDTH))


def box(x: float, y: float, z: float, length: float, width: float, height: float) -> torch.Tensor:
    return torch.tensor([[x, y, z, length, width, height, 0.0, 0.0, 0.0]])


def test_corners_of_a_turned_box() -> None:
    boxes = box(10, 0, 1, 4, 2, 2)
    boxes[0, 6] = torch.pi / 2  # heading along +y
    corners = box_corners(boxes)[0]
    torch.testing.assert_close(corners[4:, 1], torch.full((4,), 2.0))  # the front face
    torch.testing.assert_close(corners.amin(0), torch.tensor([9.0, -2.0, 0.0]))
    torch.testing.assert_close(corners.amax(0), torch.tensor([11.0, 2.0, 2.0]))


def test_cube_in_front_of_a_camera() -> None:
    # A cube of 2 m around (10, 0, 1), at the camera's height: its near face is 9 m away, and
    # ±1 m there are ±50/9 pixels around the centre (50, 30); the far face ±50/11.
    pixels, visible = seen(box_segments(box(10, 0, 1, 2, 2, 2)))
    assert visible.all()
    assert len(pixels) == 14
    torch.testing.assert_close(pixels.amin((0, 1)), torch.tensor([50 - 50 / 9, 30 - 50 / 9]))
    torch.testing.assert_close(pixels.amax((0, 1)), torch.tensor([50 + 50 / 9, 30 + 50 / 9]))
    cross = pixels[12:].reshape(-1, 2)  # on the front, here the far face
    half = torch.full((4, 2), 50 / 11)
    torch.testing.assert_close((cross - torch.tensor([50.0, 30.0])).abs(), half)


def test_nothing_behind_the_camera_is_drawn() -> None:
    _, visible = seen(box_segments(box(-10, 0, 1, 2, 2, 2)))
    assert not visible.any()


def test_box_around_the_camera_gives_no_wild_lines() -> None:
    # Half of the box is behind the camera; what is left ends inside the image.
    pixels, visible = seen(box_segments(box(0, 0.5, 1, 20, 6, 3)))
    assert visible.any()
    kept = pixels[visible]
    assert (kept >= -1e-3).all()
    assert (kept <= torch.tensor([WIDTH, HEIGHT]) + 1e-3).all()
    assert pixels.isfinite().all()


def test_line_that_passes_the_camera_is_cut_on_its_own_line() -> None:
    # From 5 m ahead to 5 m behind, 1 m to the right: it leaves the picture at the right border,
    # at the image row of the camera's height.
    pixels, visible = seen(torch.tensor([[[5.0, -1.0, 1.0], [-5.0, -1.0, 1.0]]]))
    assert visible.all()
    torch.testing.assert_close(pixels, torch.tensor([[[60.0, 30.0], [100.0, 30.0]]]))


def test_cameras_read_like_a_panorama() -> None:
    names = {"BACK": -178.0, "FRONT_RIGHT": -55.0, "FRONT": 1.0, "BACK_LEFT": 110.0}
    names |= {"BACK_RIGHT": -110.0, "FRONT_LEFT": 55.0}
    order = left_to_right(make_clip(list(names.values())))
    expected = ["BACK_LEFT", "FRONT_LEFT", "FRONT", "FRONT_RIGHT", "BACK_RIGHT", "BACK"]
    assert [list(names)[i] for i in order] == expected


def test_a_camera_straight_back_stays_last() -> None:
    for yaw in (175.0, 180.0, -175.0):
        clip = make_clip([yaw, 0.0, 90.0])
        assert left_to_right(clip)[-1] == 0
        clip.intrinsics[..., 0, 0] *= -1
        assert left_to_right(clip)[-1] == 0


def test_mirrored_pictures_run_the_other_way() -> None:
    """The left edge of a mirrored picture shows what lies to the right."""
    clip = make_clip([55.0, 0.0, -55.0])
    clip.intrinsics[..., 0, 0] *= -1
    assert left_to_right(clip) == [2, 1, 0]
    # Of a clip in which only some are mirrored no panorama can be made: the usual order.
    clip.intrinsics[:, :, 0, 0, 0] *= -1
    assert left_to_right(clip) == [0, 1, 2]
    # A world mirrored from above changes yaws and fx together: the unchanged pixels stay in order.
    mirror = BevTransform(flip_y=True)
    assert left_to_right(mirror.apply(make_clip([55.0, 0.0, -55.0]))) == [0, 1, 2]


def test_a_missing_image_does_not_move_its_camera() -> None:
    clip = make_clip([-55.0, 0.0, 55.0])
    assert left_to_right(without_image(clip, 0, 2)) == left_to_right(clip) == [2, 1, 0]

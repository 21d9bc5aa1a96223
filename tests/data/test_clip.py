import dataclasses

import pytest
import torch
from torch import Tensor

from mim4d.data.clip import Clip, collate, separate


def make_clip(points: int = 3, boxes: int = 2, cameras: int = 2, value: float = 0.5) -> Clip:
    t, n = 2, cameras
    eye3, eye4 = torch.eye(3), torch.eye(4)
    return Clip(
        images=torch.full((1, t, n, 3, 4, 6), round(200 * value), dtype=torch.uint8),
        image_sizes=torch.tensor([4, 6]).expand(1, t, n, 2),
        image_present=torch.ones(1, t, n, dtype=torch.bool),
        intrinsics=eye3.expand(1, t, n, 3, 3),
        ref_from_camera=eye4.expand(1, t, n, 4, 4),
        image_times_s=torch.zeros(1, t, n),
        ref_from_ego=eye4.expand(1, t, 4, 4),
        frame_times_s=torch.tensor([[-0.5, 0.0]]),
        frame_present=torch.ones(1, t, dtype=torch.bool),
        key=1,
        points_ref=torch.full((1, t, points, 3), value),
        valid_points=torch.ones(1, t, points, dtype=torch.bool),
        boxes_ref=torch.full((1, t, boxes, 9), value),
        valid_boxes=torch.ones(1, t, boxes, dtype=torch.bool),
        valid_velocities=torch.ones(1, t, boxes, dtype=torch.bool),
        box_classes=torch.zeros(1, t, boxes, dtype=torch.long),
        box_lidar_points=torch.full((1, t, boxes), 5),
        box_visibility=torch.full((1, t, boxes), 4),
        category_names=("vehicle.car",),
        camera_names=tuple(f"CAM_{k}" for k in range(n)),
        scene_names=(f"scene-{value}",),
        key_tokens=(f"key-{value}",),
    )


def test_collate_keeps_each_clip_and_pads_the_shorter() -> None:
    short, long = make_clip(points=1, boxes=0), make_clip(points=3, boxes=2, value=0.25)
    both = collate([short, long])
    assert both.batch_size == 2
    assert both.num_frames == 2
    assert both.num_cameras == 2
    assert both.points_ref.shape == (2, 2, 3, 3)
    assert both.valid_points.tolist() == [[[True, False, False]] * 2, [[True] * 3] * 2]
    assert both.box_classes.tolist() == [[[-1, -1]] * 2, [[0, 0]] * 2]
    assert both.box_lidar_points.tolist() == [[[-1, -1]] * 2, [[5, 5]] * 2]
    assert both.box_visibility.tolist() == [[[0, 0]] * 2, [[4, 4]] * 2]
    assert both.category_names == ("vehicle.car",)
    assert both.scene_names == ("scene-0.5", "scene-0.25")
    assert both.key_tokens == ("key-0.5", "key-0.25")
    torch.testing.assert_close(both.images[:1], short.images)
    torch.testing.assert_close(both.images[1:], long.images)
    torch.testing.assert_close(both.points_ref[1:], long.points_ref)


def test_separate_is_the_inverse_of_collate() -> None:
    """Padding between valid rows of a shorter sweep stays; that at the end of all is cut."""
    clips = [make_clip(points=1, boxes=0), make_clip(points=3, boxes=2, value=0.25)]
    clips[1].valid_points[0, 0, 1:] = False
    again = separate(collate(clips))
    for before, after in zip(clips, again, strict=True):
        for field in dataclasses.fields(Clip):
            a, b = getattr(before, field.name), getattr(after, field.name)
            assert torch.equal(a, b) if isinstance(a, Tensor) else a == b, field.name
    assert separate(clips[0])[0] is clips[0]


def test_images_stay_colours_last_in_memory() -> None:
    levels = torch.randint(0, 256, (1, 2, 2, 4, 6, 3), dtype=torch.uint8)
    clip = dataclasses.replace(make_clip(), images=levels.movedim(-1, 3))
    both = collate([clip, clip])
    assert both.images.movedim(3, -1).is_contiguous()
    assert torch.equal(both.images[1], levels.movedim(-1, 3)[0])


def test_the_size_counts_every_tensor() -> None:
    few, many = make_clip(points=3), make_clip(points=5)
    assert few.images.nbytes < few.num_bytes
    # Two frames of two more points: three float32 and a boolean each.
    assert many.num_bytes - few.num_bytes == 2 * 2 * (3 * 4 + 1)


def test_a_batch_of_one_is_not_copied() -> None:
    clip = make_clip()
    assert collate([clip]).images.data_ptr() == clip.images.data_ptr()


def test_collate_refuses_clips_of_another_rig() -> None:
    with pytest.raises(ValueError, match="share key frame and cameras"):
        collate([make_clip(), make_clip(cameras=3)])


def test_collate_refuses_other_classes_of_boxes() -> None:
    clip = make_clip()
    with pytest.raises(ValueError, match="share the data set's classes"):
        collate([clip, dataclasses.replace(clip, category_names=("vehicle.truck",))])


def test_the_key_frame_alone() -> None:
    clip = dataclasses.replace(make_clip(), on_body=torch.ones(1, 2, 4, 6, dtype=torch.bool))
    alone = clip.key_frame()
    assert (alone.key, alone.num_frames, alone.num_cameras) == (0, 1, 2)
    assert alone.frame_times_s.tolist() == [[0.0]]
    for field in dataclasses.fields(Clip):
        whole, cut = getattr(clip, field.name), getattr(alone, field.name)
        if field.name == "on_body":
            assert torch.equal(cut, whole)
        elif isinstance(whole, Tensor):
            assert torch.equal(cut, whole[:, 1:2]), field.name
        elif field.name != "key":
            assert cut == whole, field.name


def test_collate_refuses_another_image_size() -> None:
    clip = make_clip()
    wider = dataclasses.replace(clip, images=torch.zeros(1, 2, 2, 3, 4, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"\(2, 2, 3, 4, 6\) and \(2, 2, 3, 4, 8\)"):
        collate([clip, wider])


def test_to_moves_every_tensor() -> None:
    moved = make_clip().to("meta")
    tensors = [v for v in vars(moved).values() if isinstance(v, Tensor)]
    assert len(tensors) == 17
    assert all(tensor.is_meta for tensor in tensors)
    assert moved.key == 1


@pytest.mark.slow  # `make quick` runs without the checker of shapes
def test_wrong_shape_is_caught_by_the_checker() -> None:
    with pytest.raises(Exception, match="frame_times_s"):
        dataclasses.replace(make_clip(), frame_times_s=torch.zeros(2))

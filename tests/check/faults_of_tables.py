"""Faults of records: tables, chains, clocks, boxes.

Name: what is done, then severity, code, table, token and what the finding's place must say.
"""

from tests.check.damages import (
    POSE,
    Fault,
    copy_box,
    cross,
    cycle,
    drop_frames,
    every_row,
    many_points_stated,
    rewrite,
    row,
    separate,
    table,
    write,
)

FAULTS_OF_TABLES: dict[str, Fault] = {
    # Tables
    "missing table": (
        lambda root: (root / "v1.0-mini/ego_pose.json").unlink(),
        *("error", "missing-table", "ego_pose", "", "v1.0-mini/ego_pose.json"),
    ),
    "cut JSON": (
        rewrite("v1.0-mini/sample.json", lambda text: text[:-30]),
        *("error", "unreadable-table", "sample", "", "not valid JSON"),
    ),
    "no list": (
        write("v1.0-mini/log.json", b'{"token": "a"}'),
        *("error", "unreadable-table", "log", "", "a JSON dict"),
    ),
    "empty table": (
        write("v1.0-mini/sensor.json", b"[]"),
        *("error", "empty-table", "sensor", "", "an empty list"),
    ),
    "missing field": (
        table("sample", lambda rows: rows[2].pop("timestamp")),
        *("error", "missing-field", "sample", "scene0-sample2", "'timestamp'"),
    ),
    "wrong type": (
        row("ego_pose", POSE, rotation=[1.0, "x", 0, 0]),
        *("error", "wrong-type", "ego_pose", POSE, "[1.0, 'x', 0, 0]"),
    ),
    "text as truth": (
        row("sample_data", "scene0-CAM_BACK-7", is_key_frame="false"),
        *("error", "wrong-type", "sample_data", "scene0-CAM_BACK-7", "true or false"),
    ),
    "duplicate token": (
        table("sample_data", lambda rows: rows.append(dict(rows[3]))),
        *("error", "duplicate-token", "sample_data", "scene0-LIDAR_TOP-3", "2 times"),
    ),
    "dangling link": (
        row("sample_data", "scene0-CAM_BACK-7", ego_pose_token="lost"),
        *("error", "dangling-link", "sample_data", "scene0-CAM_BACK-7", "ego_pose_token = 'lost'"),
    ),
    "empty link": (
        row("instance", "scene0-object0", category_token=""),
        *("error", "empty-link", "instance", "scene0-object0", "category_token"),
    ),
    "unknown attribute": (
        row("sample_annotation", "scene0-object0-1", attribute_tokens=["attribute0", "lost"]),
        *("error", "dangling-link", "sample_annotation", "scene0-object0-1", "'lost'"),
    ),
    "unknown visibility": (
        row("sample_annotation", "scene0-object0-1", visibility_token="9"),
        *("error", "dangling-link", "sample_annotation", "scene0-object0-1", "visibility_token"),
    ),
    # Chains
    "one-way link": (
        row("sample", "scene0-sample2", prev=""),
        *("error", "one-way-link", "sample", "scene0-sample1", "next is scene0-sample2"),
    ),
    "cycle": (
        table("sample", cycle),
        *("error", "cycle", "sample", "scene0-sample0", "never ends"),
    ),
    "back in time": (
        table("sample", lambda rows: rows[1].update(timestamp=rows[1]["timestamp"] + 600_000)),
        *("error", "backward-link", "sample", "scene0-sample1", "0.1 s earlier"),
    ),
    "across scenes": (
        table("sample", cross),
        *("error", "crossing-link", "sample", "scene0-sample4", "scene tiny-1"),
    ),
    "chain in pieces": (
        table("sample_data", separate),
        *("warning", "broken-chain", "sample_data", "scene0-LIDAR_TOP-2", "scene tiny-0, LIDAR"),
    ),
    "wrong first sample": (
        row("scene", "scene0", first_sample_token="scene0-sample1"),
        *("warning", "wrong-chain-end", "scene", "scene0", "in time it is scene0-sample0"),
    ),
    "wrong number of samples": (
        row("scene", "scene1", nbr_samples=6),
        *("warning", "wrong-count", "scene", "scene1", "nbr_samples is 6, there are 5"),
    ),
    "wrong last annotation": (
        row("instance", "scene0-object0", last_annotation_token="scene0-object0-0"),
        *("warning", "wrong-chain-end", "instance", "scene0-object0", "scene0-object0-4"),
    ),
    "wrong number of annotations": (
        row("instance", "scene0-object0", nbr_annotations=1),
        *("warning", "wrong-count", "instance", "scene0-object0", "there are 5"),
    ),
    "scene name twice": (
        row("scene", "scene1", name="tiny-0"),
        *("error", "scene-name-twice", "scene", "scene1", "tiny-0 again"),
    ),
    # Clocks
    "same time": (
        row("sample_data", "scene0-CAM_BACK-7", timestamp=1_600_000_000_580_000),
        *("warning", "same-time", "sample_data", "scene0-CAM_BACK-7", "CAM_BACK"),
    ),
    "dropped frames": (
        table("sample_data", drop_frames),
        *("remark", "dropped-frames", "sample_data", "scene0-CAM_BACK-9", "0.3 s after"),
    ),
    "key frame of another sample": (
        row("sample_data", "scene0-CAM_BACK-10", sample_token="scene0-sample3"),
        *("warning", "far-from-sample", "sample_data", "scene0-CAM_BACK-10", "-0.520 s"),
    ),
    "two key frames": (
        row("sample_data", "scene0-CAM_BACK-10", sample_token="scene0-sample3"),
        *("error", "two-key-frames", "sample_data", "scene0-CAM_BACK-15", "scene0-sample3"),
    ),
    "sample without image": (
        row("sample_data", "scene0-CAM_BACK-10", is_key_frame=False),
        *("warning", "sample-without-data", "sample", "scene0-sample2", "no key frame"),
    ),
    "nanoseconds": (
        every_row("sample", "timestamp", lambda time: time * 1000),
        *("error", "time-units", "sample", "scene0-sample0", "5e+08 apart"),
    ),
    "sensor without a name": (
        row("sensor", "sensor-CAM_BACK", channel=""),
        *("error", "sensor-without-name", "sensor", "sensor-CAM_BACK", "an empty channel"),
    ),
    # Boxes
    "box without height": (
        row("sample_annotation", "scene0-object0-1", size=[2.0, 4.0, 0.0]),
        *("error", "bad-box-size", "sample_annotation", "scene0-object0-1", "[2.0, 4.0, 0.0]"),
    ),
    "box in centimetres": (
        row("sample_annotation", "scene0-object0-1", size=[200, 400, 160]),
        *("warning", "box-size", "sample_annotation", "scene0-object0-1", "[200.0, 400.0, 160.0]"),
    ),
    "fast box": (
        row("sample_annotation", "scene0-object0-2", translation=[1098.0, 2013.0, 0.8]),
        *("warning", "box-speed", "sample_annotation", "scene0-object0-1", "vehicle.car: 200"),
    ),
    "far box": (
        row("sample_annotation", "scene0-object1-2", translation=[0.0, 0.0, 0.0]),
        *("warning", "box-far", "sample_annotation", "scene0-object1-2", "2238 m"),
    ),
    "box under the ground": (
        row("sample_annotation", "scene0-object1-2", translation=[998.0, 2006.0, -9.0]),
        *("warning", "box-underground", "sample_annotation", "scene0-object1-2", "8.2 m below"),
    ),
    "box twice": (
        table("sample_annotation", copy_box),
        *("error", "instance-twice", "sample_annotation", "copy", "scene0-object1"),
    ),
    "walking car": (
        row("sample_annotation", "scene0-object0-1", attribute_tokens=["attribute2"]),
        *("warning", "attribute-of-other-class", "sample_annotation", "scene0-object0-1", "is ped"),
    ),
    "points that are not there": (
        many_points_stated,
        *("warning", "lidar-counts", "sample_data", "scene0-LIDAR_TOP-10", "0 points in 1 boxes"),
    ),
}

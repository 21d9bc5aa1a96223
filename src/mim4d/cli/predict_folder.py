"""What a run says about images that are no data set: a folder with cameras.yaml."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mim4d.config import Device
from mim4d.importing.folder_names import POSES, RIG
from mim4d.progress import Report, counted, silent


def is_rig_folder(folder: Path) -> bool:
    """Whether a folder holds images with cameras.yaml, or rigs that do, and is no data set."""
    return (folder / RIG).is_file() or any(folder.glob(f"*/{RIG}"))


@contextmanager
def folder_as_data_set(folder: Path, *, keyframes_only: bool) -> Iterator[tuple[Path, bool]]:
    """A data set that is there as long as the block runs, and whether it has motion.

    Args:
        folder: Images with cameras.yaml, and poses.csv where the car moves.
        keyframes_only: Leave out what lies between the samples.

    Raises:
        DataError: The folder is no rig's, or holds no images.
    """
    from mim4d.importing.rig_folder import read_rig_folder
    from mim4d.importing.still_folder import read_still_folder
    from mim4d.importing.write_data_set import ImportOptions, write_data_set

    moves = (folder / POSES).is_file() or any(folder.glob(f"*/{POSES}"))
    drives = read_rig_folder(folder) if moves else read_still_folder(folder)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        write_data_set(drives, data, ImportOptions(keyframes_only=keyframes_only))
        yield data, moves


def predict_folder(
    run: Path,
    folder: Path,
    out: Path,
    clips: int,
    stride: int,
    device: Device,
    progress: Report = silent,
) -> list[Path]:
    """Predict the clips of a folder with cameras.yaml; returns the files written.

    Raises:
        ValueError: For anything wrong with the run or the folder.
        ImportError: If matplotlib is not installed.
    """
    from dataclasses import replace

    from mim4d.build.data import imported_masks
    from mim4d.data.nuscenes import NuscenesDataset
    from mim4d.evaluation import EvaluatedView, spread
    from mim4d.evaluation.predicted_clip import predict_clip
    from mim4d.runs.loading import load_model
    from mim4d.training.devices import choose_accelerator
    from mim4d.viz.prediction import draw_prediction

    model, config = load_model(run)
    accelerator = choose_accelerator(device)
    model = model.to(accelerator)
    view = EvaluatedView.of(config, stride)
    paths = []
    wanted = config.clip
    by_samples = wanted.frame_interval_s is None
    with folder_as_data_set(folder, keyframes_only=by_samples) as (data, moves):
        frames, key = (wanted.frames, wanted.key) if moves else (1, 0)
        view = view if moves else replace(view, frame=0)
        dataset = NuscenesDataset(
            data,
            frames=frames,
            key=key,
            frame_interval_s=wanted.frame_interval_s if moves else None,
            image_hw=(wanted.image_height, wanted.image_width),
            fit=wanted.fit,
            lidar=None,
            body_masks=imported_masks(data),
        )
        for index in counted(spread(len(dataset), clips), progress):
            clip = dataset[index]
            predicted = predict_clip(model, clip, view, accelerator)
            name = f"{index:04d}-{clip.scene_names[0]}"
            title = f"{folder.name}: {clip.scene_names[0]}"
            picture = draw_prediction(predicted, view.grid, title).save(out / f"{name}.png")
            predicted.save_arrays(out / f"{name}.safetensors")
            predicted.save_points(out / f"{name}.ply")
            paths += [picture, out / f"{name}.safetensors", out / f"{name}.ply"]
    return paths

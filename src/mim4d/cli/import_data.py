"""Commands that turn drives of any rig into data sets: import rig, import video, import av2."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mim4d.cli import at_once
from mim4d.errors import need_extra

if TYPE_CHECKING:
    from mim4d.importing.recording import Recording

SourceArgument = Annotated[Path | None, tyro.conf.Positional]


@dataclass(frozen=True)
class _Import:
    """What all importers are told."""

    source: SourceArgument = None
    """Folder of the drive or drives."""
    out: Path | None = None
    """Data set to write; must not exist."""
    keyframe_interval_s: float = 0.5
    """Time between keyframes, seconds."""
    scene_s: float = 60.0
    """Longest scene, seconds; longer drives are cut."""
    held_out: float = 0.0
    """Share of the scenes, the last ones, that is held out for evaluation."""
    keyframes_only: bool = False
    """Leave out what was measured between the keyframes."""
    copy: bool = False
    """Copy files that can be used as they are; by default they are linked."""
    drop_uncovered: bool = False
    """Leave out files that no pose covers, instead of refusing them."""
    no_check: bool = False
    """Do not check the data set at the end."""

    def check(self) -> None:
        """What is known at once."""
        source, out = _folders(self)
        at_once.existing(source)
        at_once.new_folder(out, "--out")


@dataclass(frozen=True)
class ImportRig(_Import):
    """Write a data set from a plain folder: cameras.yaml, images by camera, poses.csv."""

    template: Path | None = None
    """Write an example of such a folder there, to be edited, and do nothing else."""

    def check(self) -> None:
        """What is known at once."""
        at_once.output_folder(self.template, "--template")
        if self.template is None:
            super().check()


def import_rig(options: ImportRig) -> int:
    """`mim4d import rig`."""
    if options.template is not None:
        from mim4d.importing.template import write_template

        for path in write_template(options.template):
            print(path)
        print(
            f"next: edit these, add the images ({options.template}/CAM_FRONT/TIME.jpg), then "
            f"mim4d import rig {options.template} --out DATA"
        )
        return 0
    from mim4d.importing.rig_folder import read_rig_folder

    source, _ = _folders(options)
    return _write(read_rig_folder(source), options)


def _folders(options: _Import) -> tuple[Path, Path]:
    if options.source is None or options.out is None:
        raise ValueError("give the source's folder and, with --out, the data set to write")
    return options.source, options.out


def _write(drives: "list[Recording]", options: _Import) -> int:
    """Write the data set, say what was done, and check it."""
    from mim4d.cli.console import Counter
    from mim4d.importing.write_data_set import ImportOptions, write_data_set

    _, out = _folders(options)
    settings = ImportOptions(
        options.keyframe_interval_s,
        options.scene_s,
        options.held_out,
        options.keyframes_only,
        options.copy,
        options.drop_uncovered,
    )
    with Counter("import", "file") as counter:
        made = write_data_set(drives, out, settings, counter.update)
    print("\n".join(made.notes))
    print(
        f"{made.out}: {made.scenes} scenes, {made.samples} keyframes, {made.linked} images linked, "
        f"{made.made} made, {made.sweeps} LiDAR sweeps, {made.boxes} boxes, in {made.seconds:.0f} s"
    )
    if options.no_check:
        return 0
    from mim4d.cli.data import Check, check

    return check(Check(out))


@dataclass(frozen=True)
class ImportVideo(_Import):
    """Write a data set from one video per camera, with a table of frame times each."""

    width: int | None = None
    """Columns of the images; by default those of the video."""

    def check(self) -> None:
        """What is known at once."""
        super().check()
        need_extra("video", "reading videos")


def import_video(options: ImportVideo) -> int:
    """`mim4d import video`."""
    from mim4d.cli.console import Counter
    from mim4d.importing.video_folder import decoded_drives

    source, out = _folders(options)
    with (
        Counter("decode", "frame") as counter,
        decoded_drives(source, out, options.width, counter.update) as drives,
    ):
        return _write(drives, options)


@dataclass(frozen=True)
class ImportAv2(_Import):
    """Write a data set from Argoverse 2 sensor logs: ring cameras, LiDAR, boxes, vector map."""

    def check(self) -> None:
        """What is known at once."""
        super().check()
        need_extra("av2", "reading Argoverse 2")


def import_av2(options: ImportAv2) -> int:
    """`mim4d import av2`."""
    from mim4d.importing.av2_log import read_av2

    source, _ = _folders(options)
    return _write(read_av2(source), options)

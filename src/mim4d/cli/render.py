"""`mim4d render`: held-out clips as a pre-training sees them."""

from dataclasses import dataclass
from pathlib import Path

from mim4d.cli import at_once
from mim4d.cli.arguments import PathArgument, scene_choice
from mim4d.cli.console import counting
from mim4d.config import Device


@dataclass(frozen=True)
class Render:
    """Draw held-out clips as a pre-training sees them: input, colour, distance, truth, error, flow.

    For the run of a task, use `mim4d predict`.
    """

    run: PathArgument
    """Run folder."""
    data: Path
    """Data set; its held-out scenes are drawn."""
    out: Path | None = None
    """Folder for the pictures; by default RUN/renders."""
    video: Path | None = None
    """Instead of pictures write one short video to this file (.webp, .gif or .mp4): a held-out
    clip's volume seen along the clip's own path, and from 1 m to the left of it."""
    clips: int = 2
    """Number of clips, spread over the scenes."""
    stride: int = 2
    """Spacing of rendered pixels, in image pixels, in both directions."""
    split: str = "val"
    """Split to take scenes from; by default the held-out one."""
    scenes: tuple[str, ...] = ()
    """Scenes by name instead of a split; a .txt file holds one name a line."""
    version: str | None = None
    """Folder of the tables, such as v1.0-trainval, if there are several."""
    device: Device = "auto"
    """Where to compute."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(1, clips=self.clips, stride=self.stride)
        if hasattr(at_once.run_folder(self.run), "task"):
            raise ValueError(f"{self.run}: a task's run; `mim4d predict` draws its predictions")
        at_once.data_set(self.data, self.version, scene_choice(self.split, self.scenes))
        if self.video is None:
            at_once.output_folder(self.folder, "--out")
        at_once.output_file(self.video, "--video")
        at_once.device(self.device)
        at_once.drawing()

    @property
    def folder(self) -> Path:
        """Where pictures go."""
        return self.out or self.run / "renders"


def render(options: Render) -> None:
    """`mim4d render`."""
    scenes = scene_choice(options.split, options.scenes)
    if options.video is not None:
        from mim4d.viz.video import render_video

        with counting("render", "picture") as progress:
            written = render_video(
                options.run,
                options.data,
                options.video,
                stride=options.stride,
                scenes=scenes,
                version=options.version,
                device=options.device,
                progress=progress,
            )
        print(written)
        return
    from mim4d.viz.rendering import render_run

    with counting("render", "clip") as progress:
        paths = render_run(
            options.run,
            options.data,
            options.folder,
            clips=options.clips,
            stride=options.stride,
            scenes=scenes,
            version=options.version,
            device=options.device,
            progress=progress,
        )
    for path in paths:
        print(path)

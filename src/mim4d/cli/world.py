"""`mim4d world`: make a synthetic data set."""

from dataclasses import dataclass
from pathlib import Path

from mim4d.cli import at_once
from mim4d.cli.arguments import PathArgument
from mim4d.errors import need_extra


@dataclass(frozen=True)
class World:
    """Make a synthetic data set in the nuScenes format, with exact truth for evaluation."""

    out: PathArgument
    """Folder to create."""
    scenes: int = 8
    """Training scenes."""
    held_out: int = 2
    """Held-out scenes, from seeds that no training scene uses."""
    seed: int = 0
    """Seed of the whole world."""
    samples_per_scene: int = 8
    """Keyframes of each scene."""
    keyframe_interval_s: float = 0.5
    """Time between keyframes, seconds."""
    camera_rate_hz: float | None = None
    """Images per second of each camera (nuScenes: 12); by default keyframes only."""
    lidar_rate_hz: float | None = None
    """Turns per second of the LiDAR (nuScenes: 20); by default keyframes only."""
    image_size: tuple[int, int] | None = None
    """Rows and columns of the images; by default 256 448."""
    lidar_azimuths: int | None = None
    """LiDAR firings per turn and beam; by default 1080."""
    rig: Path | None = None
    """Other sensors than the six cameras and the LiDAR of the nuScenes car: a file in the words of
    an importer's cameras.yaml (docs/world.md)."""
    no_shadows: bool = False
    """Leave shadows out: a little faster."""
    overwrite: bool = False
    """Replace a world that the folder already holds."""
    workers: int | None = None
    """Processes; by default one per core. The files are the same for any number."""

    def check(self) -> None:
        """What is known at once."""
        at_once.at_least(0, scenes=self.scenes, held_out=self.held_out, seed=self.seed)
        at_once.at_least(1, samples_per_scene=self.samples_per_scene, workers=self.workers)
        at_once.existing(self.rig, "--rig")
        if self.rig is not None and (self.image_size, self.lidar_azimuths) != (None, None):
            raise ValueError(
                "--rig: the file says how large images are and how often the LiDAR fires; leave "
                "out --image-size and --lidar-azimuths"
            )
        if self.overwrite:
            at_once.output_folder(self.out)
        else:
            at_once.new_folder(self.out, otherwise="or replace the world there with --overwrite")
        need_extra("world", "a world")


def world(options: World) -> None:
    """`mim4d world`."""
    from mim4d.cli.console import Counter
    from mim4d.world.generate import generate_world

    rig = None
    if options.rig is not None:
        from mim4d.cli.world_rig import read_world_rig

        rig = read_world_rig(options.rig)
    with Counter("world", "scene") as counter:
        made = generate_world(
            options.out,
            scenes=options.scenes,
            held_out=options.held_out,
            seed=options.seed,
            samples_per_scene=options.samples_per_scene,
            keyframe_interval_s=options.keyframe_interval_s,
            camera_rate_hz=options.camera_rate_hz,
            lidar_rate_hz=options.lidar_rate_hz,
            image_hw=(256, 448) if options.image_size is None else options.image_size,
            lidar_azimuths=1080 if options.lidar_azimuths is None else options.lidar_azimuths,
            rig=rig,
            shadows=not options.no_shadows,
            overwrite=options.overwrite,
            workers=options.workers,
            progress=counter.update,
        )
    print(
        f"{made.out}: {len(made.training_scenes)} training and {len(made.held_out_scenes)} "
        f"held-out scenes, {made.num_samples} keyframes, {made.num_images} images, "
        f"{made.num_turns} LiDAR sweeps, {made.num_annotations} boxes, in {made.seconds:.0f} s"
    )

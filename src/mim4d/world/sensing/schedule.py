"""When the sensors measure: turns of the LiDAR, exposures of the cameras, key frames and sweeps.

The LiDAR turns without pause; turn k ends, and its sweep is stamped, at k / rate after the scene's
first sample. A camera is triggered when the LiDAR passes its axis, so its exposures fall into whole
turns too, spread evenly over them where it is slower. A sample is the end of the turn nearest to
its wished time; the measurements nearest to it are its key frames, those before them belong to it
as sweeps (as in nuScenes: a sweep points to the sample that follows). Whole microseconds, counted
from the first sample.
"""

from dataclasses import dataclass

TURN_HZ = 20.0  # of a LiDAR whose sweeps are not kept
LOWEST_TURN_HZ, HIGHEST_HZ = 4.0, 50.0


@dataclass(frozen=True)
class Recording:
    """How every scene of a world is recorded.

    Attributes:
        samples: Number of samples.
        interval_us: Wished time between samples.
        height: Of the images, pixels.
        width: The same.
        azimuths: LiDAR firings per turn and beam.
        shadows: Whether the sun casts shadows.
        camera_hz: Exposures per second of each camera; None: key frames only.
        lidar_hz: Turns per second of the LiDAR; None: key frames only, of a LiDAR at 20 Hz.
    """

    samples: int
    interval_us: int
    height: int
    width: int
    azimuths: int
    shadows: bool
    camera_hz: float | None = None
    lidar_hz: float | None = None

    @property
    def turn_hz(self) -> float:
        """Turns of the LiDAR per second, whether all are kept or not."""
        return self.lidar_hz or TURN_HZ

    @property
    def turn_us(self) -> int:
        """Duration of a turn."""
        return round(1e6 / self.turn_hz)

    @property
    def duration_s(self) -> float:
        """Time from the first to the last sample."""
        return self.turn_end_us(self.key_turns()[-1]) * 1e-6

    def turn_end_us(self, turn: int) -> int:
        """When a turn ends."""
        return round(turn * 1e6 / self.turn_hz)

    def key_turns(self) -> list[int]:
        """The turn at whose end each sample lies."""
        return [round(i * self.interval_us * 1e-6 * self.turn_hz) for i in range(self.samples)]

    def check(self) -> None:
        """Refuse rates that do not fit together.

        Raises:
            ValueError: A rate is out of range, or too low for the samples to have key frames of
                their own.
        """
        often = 1e6 / self.interval_us  # a measurement for every key frame
        for name, rate, lowest in (
            ("camera_rate_hz", self.camera_hz, often),
            ("lidar_rate_hz", self.lidar_hz, max(often, LOWEST_TURN_HZ)),
        ):
            if rate is not None and not lowest <= rate <= HIGHEST_HZ:
                raise ValueError(
                    f"{name}={rate}: expected {lowest:g} to {HIGHEST_HZ:g} at this interval of key "
                    "frames; leave it out for key frames only"
                )
        if self.camera_hz and self.camera_hz > self.turn_hz:
            raise ValueError(
                f"camera_rate_hz={self.camera_hz}: the LiDAR's turns trigger the cameras, so "
                f"expected at most lidar_rate_hz={self.turn_hz:g}; raise that or lower this"
            )


@dataclass(frozen=True)
class Measurement:
    """One exposure or sweep.

    Attributes:
        channel: Of the sensor.
        time_us: Its timestamp, from the scene's first sample on.
        sample: Index of the sample it belongs to.
        is_key: Whether it is that sample's key frame.
    """

    channel: str
    time_us: int
    sample: int
    is_key: bool


def lidar_measurements(recording: Recording, channel: str) -> list[Measurement]:
    """Sweeps of a scene, oldest first."""
    keys = recording.key_turns()
    turns = keys if recording.lidar_hz is None else list(range(keys[-1] + 1))
    return _measurements(recording, channel, turns, keys, 0)


def camera_measurements(recording: Recording, channel: str, lead_turns: float) -> list[Measurement]:
    """Exposures of a scene, oldest first.

    Args:
        recording: How the scene is recorded.
        channel: Of the camera.
        lead_turns: Share of a turn by which its exposures precede the turn's end.

    Raises:
        ValueError: Two samples would share their nearest exposure.
    """
    samples = recording.key_turns()
    turns = samples
    if recording.camera_hz is not None:
        step = recording.turn_hz / recording.camera_hz
        turns = []
        while not turns or turns[-1] < samples[-1]:
            turns.append(int(len(turns) * step + 1e-9))
    keys = [min(turns, key=lambda turn: abs(turn - sample)) for sample in samples]
    if len(set(keys)) < len(keys):
        raise ValueError(
            f"camera_rate_hz={recording.camera_hz}: too low for the samples to have images of "
            "their own; raise it or the interval between samples"
        )
    kept = [turn for turn in turns if turn <= keys[-1]]
    return _measurements(recording, channel, kept, keys, round(lead_turns * recording.turn_us))


def _measurements(
    recording: Recording, channel: str, turns: list[int], keys: list[int], lead_us: int
) -> list[Measurement]:
    out, sample = [], 0
    for turn in turns:
        if turn > keys[sample]:
            sample += 1
        time_us = recording.turn_end_us(turn) - lead_us
        out.append(Measurement(channel, time_us, sample, turn == keys[sample]))
    return out

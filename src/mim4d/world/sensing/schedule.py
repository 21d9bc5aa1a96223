"""When the sensors measure: turns of the LiDAR, exposures of the cameras, key frames and sweeps.

The LiDAR turns without pause; turn k ends, and its sweep is stamped, at k / rate after the scene's
first sample. A camera is triggered when the LiDAR passes its axis, so its exposures fall into whole
turns too, spread evenly over them where it is slower. On a car without LiDAR each camera runs by
itself, its exposure k at k / rate. A sample is the end of the turn nearest to its wished time (20
turns a second are thought of where nothing turns); the measurements nearest to it are its key
frames, those before them belong to it as sweeps (as in nuScenes: a sweep points to the sample that
follows). Whole microseconds, counted from the first sample.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

TURN_HZ = 20.0  # of a LiDAR whose sweeps are not kept
LOWEST_TURN_HZ, HIGHEST_HZ = 4.0, 50.0


@dataclass(frozen=True)
class Recording:
    """How every scene of a world is recorded.

    Attributes:
        samples: Number of samples.
        interval_us: Wished time between samples.
        shadows: Whether the sun casts shadows.
        camera_hz: Exposures per second of cameras without a rate of their own; None: key frames
            only.
        lidar_hz: Turns per second of the LiDAR; None: key frames only, of a LiDAR at 20 Hz.
    """

    samples: int
    interval_us: int
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

    def check_lidar(self) -> None:
        """Refuse a rate of the LiDAR that is out of range.

        Raises:
            ValueError: It is, or too low for the samples to have sweeps of their own.
        """
        self._check_rate("lidar_rate_hz", self.lidar_hz, LOWEST_TURN_HZ)

    def check_camera(self, name: str, rate_hz: float | None, triggered: bool) -> None:
        """Refuse a rate of a camera that is out of range or does not fit the LiDAR's.

        Args:
            name: What the rate is called.
            rate_hz: Exposures per second.
            triggered: Whether a LiDAR triggers the camera.

        Raises:
            ValueError: It is, or too low for the samples to have images of their own.
        """
        self._check_rate(name, rate_hz, 0.0)
        if rate_hz and triggered and rate_hz > self.turn_hz:
            raise ValueError(
                f"{name}={rate_hz}: the LiDAR's turns trigger the cameras, so expected at most "
                f"lidar_rate_hz={self.turn_hz:g}; raise that or lower this"
            )

    def _check_rate(self, name: str, rate_hz: float | None, lowest: float) -> None:
        lowest = max(lowest, 1e6 / self.interval_us)  # a measurement for every key frame
        if rate_hz is not None and not lowest <= rate_hz <= HIGHEST_HZ:
            raise ValueError(
                f"{name}={rate_hz}: expected {lowest:g} to {HIGHEST_HZ:g} at this interval of key "
                "frames; leave it out for key frames only"
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
    ends = [recording.turn_end_us(turn) for turn in turns]
    return _measurements(channel, ends, [turns.index(key) for key in keys], 0)


def camera_measurements(
    recording: Recording, channel: str, lead_turns: float | None, rate_hz: float | None = None
) -> list[Measurement]:
    """Exposures of a scene, oldest first.

    Args:
        recording: How the scene is recorded.
        channel: Of the camera.
        lead_turns: Share of a turn by which its exposures precede the turn's end; None: no LiDAR
            triggers it.
        rate_hz: Its own exposures per second; None: the recording's.

    Raises:
        ValueError: Two samples would share their nearest exposure.
    """
    samples = [recording.turn_end_us(turn) for turn in recording.key_turns()]
    rate_hz = rate_hz or recording.camera_hz
    moments = samples
    if rate_hz is not None:
        count = math.ceil(samples[-1] * 1e-6 * rate_hz - 1e-6) + 1
        moments = [round(i * 1e6 / rate_hz) for i in range(count)]
        if lead_turns is not None:
            step = recording.turn_hz / rate_hz
            moments = [recording.turn_end_us(int(i * step + 1e-9)) for i in range(count + 1)]
    lead_us = round((lead_turns or 0.0) * recording.turn_us)

    def distance(number: int, sample_us: int) -> tuple[int, int]:
        """Turns are compared; of two that are equally near, the exposure nearer to the sample."""
        moment_us = moments[number]
        return abs(moment_us - sample_us), abs(moment_us - lead_us - sample_us)

    keys = [min(range(len(moments)), key=lambda i: distance(i, sample)) for sample in samples]
    if len(set(keys)) < len(keys):
        raise ValueError(
            f"camera_rate_hz={rate_hz}: too low for the samples to have images of their own; "
            "raise it or the interval between samples"
        )
    return _measurements(channel, moments[: keys[-1] + 1], keys, lead_us)


def jittered(measurements: list[Measurement], jitter_ms: float, seed: int) -> list[Measurement]:
    """The same, each up to `jitter_ms` earlier or later."""
    limit_us = round(jitter_ms * 1000)
    shifts = np.random.default_rng(seed).integers(-limit_us, limit_us + 1, len(measurements))
    return [
        replace(measured, time_us=measured.time_us + shift)
        for measured, shift in zip(measurements, shifts.tolist(), strict=True)
    ]


def _measurements(
    channel: str, moments_us: list[int], keys: list[int], lead_us: int
) -> list[Measurement]:
    """Measurements a little before these moments; `keys` are the key frames among them."""
    out, sample = [], 0
    for number, moment_us in enumerate(moments_us):
        if number > keys[sample]:
            sample += 1
        out.append(Measurement(channel, moment_us - lead_us, sample, number == keys[sample]))
    return out

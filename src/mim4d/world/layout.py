"""One scene, drawn from a seed: its streets, what stands, what moves, its light, and where it lies.

Everything is in world axes: the scene's own, with the ego car near the origin at time 0. `global`
is world shifted by `global_offset` (no rotation), so single precision holds while tracing.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32, UInt8

from mim4d.world.furnish import furnish, sample_style
from mim4d.world.ground import GroundTable, make_ground
from mim4d.world.lighting import Light, sample_light
from mim4d.world.roads import sample_plan
from mim4d.world.site import Site, Thing, object_row
from mim4d.world.tracing import Solid
from mim4d.world.traffic import (
    HIGHEST_SPEED,
    Motion,
    Mover,
    Traffic,
    drive,
    populate,
    sample_cruise,
)

CLEARANCE_S = 0.25  # time before and after a scene in which movers still keep clear


@dataclass(frozen=True)
class Layout:
    """A scene.

    Attributes:
        ground: The roads as tables.
        things: What stands.
        movers: What moves; in the object table they come after the things.
        ego: The ego car's motion; its origin is the rear axle on the ground.
        light: Sun, sky, exposure.
        global_offset: Position of the world's origin in `global`, metres.
        seed: Of image noise and the like.
    """

    ground: GroundTable
    things: tuple[Thing, ...]
    movers: tuple[Mover, ...]
    ego: Motion
    light: Light
    global_offset: Float[np.ndarray, "2"]
    seed: int

    def standing_solid(self) -> Solid:
        """Everything that stands, ready to be traced."""
        placed = [
            thing.mesh.moved(thing.x, thing.y, 0.0, thing.yaw).triangles for thing in self.things
        ]
        return _solid(placed, [thing.mesh.materials for thing in self.things], 0)

    def moving_solid(self, time_s: float) -> tuple[Solid, Float[np.ndarray, "k c"]]:
        """What moves, at a time, with the movers' rows of the object table."""
        time = np.array([time_s])
        poses = [mover.motion.poses(time)[0] for mover in self.movers]
        placed = [
            mover.thing.mesh.moved(pose[0], pose[1], 0.0, pose[2]).triangles
            for mover, pose in zip(self.movers, poses, strict=True)
        ]
        rows = [
            object_row(*map(float, pose), mover.thing.seed, mover.thing.look)
            for mover, pose in zip(self.movers, poses, strict=True)
        ]
        solid = _solid(
            placed, [mover.thing.mesh.materials for mover in self.movers], len(self.things)
        )
        return solid, np.stack(rows) if rows else np.zeros((0, 16))


def _solid(
    triangles: list[Float[np.ndarray, "_ 3 3"]],
    materials: list[UInt8[np.ndarray, " _"]],
    first: int,
) -> Solid:
    if not triangles:
        none = np.zeros(0, dtype=np.uint8)
        return Solid(np.zeros((0, 3, 3)), none, none.astype(np.int32))
    counts = [len(part) for part in triangles]
    objects: Int32[np.ndarray, " p"] = np.repeat(
        np.arange(first, first + len(triangles), dtype=np.int32), counts
    )
    return Solid(np.concatenate(triangles), np.concatenate(materials), objects)


def sample_layout(seeds: np.random.SeedSequence, duration_s: float) -> Layout:
    """Draw a scene in which the ego car drives for `duration_s` seconds.

    Streets, furniture, traffic and light have generators of their own, so that a change of one leaves
    the others' draws alone.
    """
    streets, furniture, flow, lamp, rest = (np.random.default_rng(s) for s in seeds.spawn(5))
    start_s, end_s = -CLEARANCE_S, duration_s + CLEARANCE_S
    cruise = sample_cruise(flow)
    longest = HIGHEST_SPEED * duration_s
    plan = sample_plan(streets, min(longest, (cruise[0] + cruise[1]) * duration_s + 5.0))
    ground = make_ground(plan.roads, streets)
    site = Site(ground)
    furnish(site, plan, sample_style(furniture), furniture)
    ego = drive(plan.route, cruise, start_s, end_s)
    steps = int(np.ceil((end_s - start_s) / 0.2)) + 1
    traffic = Traffic(site, ego, np.linspace(start_s, end_s, steps))
    populate(traffic, plan, flow, longest)
    return Layout(
        ground=ground,
        things=tuple(site.things),
        movers=tuple(traffic.movers),
        ego=ego,
        light=sample_light(lamp),
        global_offset=rest.uniform(300.0, 2000.0, size=2),
        seed=int(rest.integers(1 << 30)),
    )

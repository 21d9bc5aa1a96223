"""One scene, drawn from a seed: its streets, what stands, what moves, its light, and where it lies.

Everything is in world axes: the scene's own, with the ego car near the origin at time 0. `global`
is world shifted by `global_offset` (no rotation), so single precision holds while tracing.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mim4d.world.kernels.tracing import Solid
from mim4d.world.light.lighting import Light, sample_light
from mim4d.world.objects.meshes import join
from mim4d.world.objects.site import Site, Thing
from mim4d.world.objects.stock import Stock
from mim4d.world.scene.furnish import furnish
from mim4d.world.scene.plots import sample_style
from mim4d.world.scene.town import Placement, placement
from mim4d.world.streets.ground import GroundTable, make_ground
from mim4d.world.streets.network import sample_plan
from mim4d.world.streets.roads import StreetPlan
from mim4d.world.traffic.fleet import populate
from mim4d.world.traffic.motion import Motion, Mover
from mim4d.world.traffic.traffic import HIGHEST_SPEED, begin_traffic, sample_cruise

SHADOW_M = 20.0  # half the size of the largest mover and the length of its shadow
CLEARANCE_S = 0.25  # time before and after a scene in which movers still keep clear


@dataclass(frozen=True)
class View:
    """The sector of the ground a camera looks over: its apex, heading and half opening angle."""

    x: float
    y: float
    yaw: float
    half_angle: float

    def concerns(self, x: float, y: float) -> bool:
        """Whether something at (x, y) may be seen, or its shadow."""
        dx, dy = x - self.x, y - self.y
        ahead = dx * math.cos(self.yaw) + dy * math.sin(self.yaw)
        aside = abs(dy * math.cos(self.yaw) - dx * math.sin(self.yaw))
        outside = aside * math.cos(self.half_angle) - ahead * math.sin(self.half_angle)
        in_front = ahead > -SHADOW_M or self.half_angle > math.pi / 2
        return bool(in_front and outside < SHADOW_M)


@dataclass(frozen=True)
class Layout:
    """A scene.

    Attributes:
        plan: The streets and the ways along them.
        ground: The roads as tables.
        things: What stands.
        movers: What moves; in the object table they come after the things.
        ego: The ego car's motion; its origin is the rear axle on the ground.
        light: Sun, sky, exposure.
        global_offset: Position of the world's origin in `global`, metres.
        seed: Of image noise and the like.
    """

    plan: StreetPlan
    ground: GroundTable
    things: tuple[Thing, ...]
    movers: tuple[Mover, ...]
    ego: Motion
    light: Light
    global_offset: Float[np.ndarray, "2"]
    seed: int

    def standing_solid(self) -> Solid:
        """Everything that stands, ready to be traced."""
        meshes = [thing.mesh.moved(thing.x, thing.y, 0.0, thing.yaw) for thing in self.things]
        whole, sizes = join(meshes), [len(mesh.materials) for mesh in meshes]
        objects = np.repeat(np.arange(len(meshes), dtype=np.int32), sizes)
        return Solid(whole.triangles, whole.materials, objects)


def sample_layout(
    seeds: np.random.SeedSequence, duration_s: float, place: Placement | None = None
) -> Layout:
    """Draw a scene in which the ego car drives for `duration_s` seconds.

    Streets, furniture, traffic and light have generators of their own, so that a change of one
    leaves the others' draws alone.

    Args:
        seeds: Of every choice.
        duration_s: How long the scene lasts.
        place: Where the scene lies in `global` (None: in the first cell of the first town); it
            moves the scene as a whole and changes nothing in it.
    """
    streets, furniture, flow, lamp, rest = (np.random.default_rng(s) for s in seeds.spawn(5))
    place = place or placement("train", 0, duration_s)
    cruise = sample_cruise(flow)
    travel_m = min(HIGHEST_SPEED * duration_s, (cruise[0] + cruise[1]) * duration_s + 5.0)
    plan = sample_plan(streets, travel_m)
    ground = make_ground(plan.roads, streets)
    site = Site(ground, Stock(int(furniture.integers(1 << 30))))
    furnish(site, plan, sample_style(furniture), travel_m, furniture)
    traffic = begin_traffic(site, plan, cruise, (-CLEARANCE_S, duration_s + CLEARANCE_S), flow)
    populate(traffic, plan, flow)
    return Layout(
        plan=plan,
        ground=ground,
        things=tuple(site.things),
        movers=tuple(traffic.movers),
        ego=traffic.ego,
        light=sample_light(lamp),
        global_offset=place.offset_m(*plan.extent_m),
        seed=int(rest.integers(1 << 30)),
    )

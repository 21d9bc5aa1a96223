"""What stands along the streets: plots with buildings and gardens, trees, lamps, parked cars.

Every side of every road is walked from end to end; what stands there follows the scene's `Style`
and the generator given.
"""

import math

import numpy as np

from mim4d.world import models
from mim4d.world.colours import facade_look, foliage_look, plain_look, vehicle_look
from mim4d.world.plots import Style, fill_plots
from mim4d.world.roads import Road, StreetPlan
from mim4d.world.site import Site, rectangle


def furnish(site: Site, plan: StreetPlan, style: Style, rng: np.random.Generator) -> None:
    """Put everything that does not move onto the site."""
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for side in (1.0, -1.0):
            _park_along(site, road, span, side, style.parked[0 if side < 0 else 1], rng)
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for side in (1.0, -1.0):
            _kerbside(site, road, span, side, style, rng)
            fill_plots(site, road, span, side, style, rng)
    _skyline(site, plan, style, rng)


def _park_along(
    site: Site,
    road: Road,
    span: tuple[float, float],
    side: float,
    density: float,
    rng: np.random.Generator,
) -> None:
    width = road.parking_left_m if side > 0 else road.parking_right_m
    station = span[0] + float(rng.uniform(0.0, 4.0))
    while width and station < span[1]:
        long = rng.random() < 0.08
        step = 11.0 if long else 6.0
        if rng.random() < density and not road.near_junction(station, 8.0):
            mesh = models.truck(rng) if long else models.car(rng)
            low, high = mesh.extent
            inward = -float(high[1]) - float(rng.uniform(0.08, 0.3))
            x, y, yaw = road.beside(station + float(rng.uniform(-0.3, 0.3)), side, inward)
            against = (side > 0) != (rng.random() < 0.1) and road.lanes_left > 0
            pose = (x, y, yaw + (math.pi if against else 0.0) + float(rng.normal(0.0, 0.015)))
            half = (float(high[0] - low[0]) / 2, float(high[1] - low[1]) / 2)
            if site.is_free(rectangle(*pose, *half), 0.4):
                category = "vehicle.truck" if long else "vehicle.car"
                site.put(mesh, pose, vehicle_look(rng), rng, category)
        station += step + float(rng.uniform(0.0, 0.8))


def _kerbside(
    site: Site,
    road: Road,
    span: tuple[float, float],
    side: float,
    style: Style,
    rng: np.random.Generator,
) -> None:
    """Trees, lamps, signs and cabinets on the sidewalk."""
    station, lamp = span[0] + float(rng.uniform(0.0, 8.0)), float(rng.uniform(0.0, 30.0))
    while station < span[1]:
        x, y, yaw = road.beside(station, side, 0.55)
        facing = yaw - side * math.pi / 2
        lamp -= 8.0
        corners = rectangle(x, y, yaw, 0.4, 0.4)
        if site.beyond_kerb(corners) > 0.05 and site.is_free(corners, 0.1):
            if lamp < 0.0:
                lamp += float(rng.uniform(24.0, 34.0))
                site.put(
                    models.lamp_post(rng),
                    (x, y, facing),
                    plain_look(rng),
                    rng,
                    "",
                    (0.2, 0.2),
                )
            elif rng.random() < style.green:
                site.put(
                    models.tree(rng, street=True),
                    (x, y, yaw),
                    foliage_look(rng),
                    rng,
                    "",
                    (0.4, 0.4),
                )
            elif rng.random() < 0.12:
                sign = rng.random() < 0.6
                mesh = models.sign_post(rng) if sign else models.cabinet(rng)
                turn = yaw if sign else facing
                site.put(mesh, (x, y, turn), plain_look(rng), rng, "", (0.4, 0.4))
        station += float(rng.uniform(6.0, 10.0))


def _skyline(site: Site, plan: StreetPlan, style: Style, rng: np.random.Generator) -> None:
    """Larger buildings and trees some way behind, seen through the gaps."""
    for road, span in zip(plan.roads, plan.inside_m, strict=True):
        for _ in range(int((span[1] - span[0]) / 9.0)):
            station, side = float(rng.uniform(*span)), float(rng.choice([-1.0, 1.0]))
            x, y, yaw = road.beside(station, side, float(rng.uniform(28.0, 75.0)))
            if rng.random() < 0.45:
                corners = rectangle(x, y, yaw, 2.0, 2.0)
                if site.beyond_sidewalk(corners) > 1.0 and site.is_free(corners, 1.0):
                    site.put(models.tree(rng), (x, y, yaw), foliage_look(rng), rng, "", (2.0, 2.0))
                continue
            look = facade_look(rng)
            pitch, storey = float(look[6]), float(look[7])
            half_x, half_y = (float(rng.integers(3, 7)) * pitch / 2 for _ in range(2))
            corners = rectangle(x, y, yaw, half_x + 0.5, half_y + 0.5)
            if site.beyond_sidewalk(corners) > 2.0 and site.is_free(corners, 0.5):
                storeys = int(rng.integers(style.storeys[0], style.storeys[1] + 3))
                mesh = models.building(rng, half_x, half_y, storeys * storey, storeys < 4)
                site.put(mesh, (x, y, yaw), look, rng, "", (half_x + 0.5, half_y + 0.5))

"""Pairs of measurements between which something can have moved, whatever the rate of the sensor.

From one sweep to the next a car at 10 m/s drives half a metre at 20 Hz, and five at 2 Hz.
"""

import numpy as np

from mim4d.check.lenient_tables import Rows, TableSet

SPACING_S = 0.4


def spaced_pairs(tables: TableSet) -> tuple[Rows, Rows]:
    """Each measurement and the first of its scene and channel that is `SPACING_S` later."""
    rows, group = tables.series
    times = tables["sample_data"]["timestamp_us"][rows]
    edges = np.flatnonzero(np.diff(group)) + 1
    later, start = np.full(len(rows), -1, np.int64), 0
    for own in np.split(times, edges):
        found = np.searchsorted(own, own + round(SPACING_S * 1e6))
        later[start : start + len(own)] = np.where(found < len(own), start + found, -1)
        start += len(own)
    return rows[later >= 0], rows[later[later >= 0]]

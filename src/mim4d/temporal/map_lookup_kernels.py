"""The loops of `map_lookup`: bilinear look-ups of maps, weighted and summed, and their gradients.

Tables have a row of channels for each (clip, source, y, x, head) of the maps and for each (clip,
query, head) of what is found. A place without a cell of the map within reach adds nothing.
"""

import math
from typing import no_type_check

import numpy as np

from mim4d.geometry.compiled import Kernel


@Kernel
@no_type_check
def sum_places(first, end, sizes, table, asked, shares, found):
    """Forward; parts are the queries."""
    b, s, y, x, h = sizes
    queries, points, c = asked.shape[1], asked.shape[5], table.shape[1]
    weights = np.empty(points, table.dtype)
    real = table.dtype.type  # a whole number times a float32 would be a float64
    zero, one = real(0), real(1)
    for clip in range(b):
        for q in range(first, end):
            column, line = real(q % x), real(q // x)
            for head in range(h):
                into = found[(clip * queries + q) * h + head]
                for k in range(c):
                    into[k] = 0
                for source in range(s):
                    if shares[clip, source] == 0:
                        continue
                    start = (clip * s + source) * y * x * h + head
                    across = asked[clip, q, 0, head, source]
                    down = asked[clip, q, 1, head, source]
                    logits = asked[clip, q, 2, head, source]
                    highest, total = logits[0], zero
                    for point in range(1, points):
                        highest = max(highest, logits[point])
                    for point in range(points):
                        weights[point] = math.exp(logits[point] - highest)
                        total += weights[point]
                    factor = shares[clip, source] / total
                    for point in range(points):
                        u, v = across[point] + column, down[point] + line
                        if not (u > -1 and u < x and v > -1 and v < y):
                            continue
                        left, top = math.floor(u), math.floor(v)
                        right, bottom = left + 1, top + 1
                        right_share = u - real(left)
                        left_share = one - right_share
                        lower = (v - real(top)) * weights[point] * factor
                        upper = weights[point] * factor - lower
                        # Cells outside the map have weight 0 and stand for some cell within.
                        if left < 0:
                            left, left_share = 0, zero
                        if top < 0:
                            top, upper = 0, zero
                        if right == x:
                            right, right_share = left, zero
                        if bottom == y:
                            bottom, lower = top, zero
                        w00, w01 = upper * left_share, upper * right_share
                        w10, w11 = lower * left_share, lower * right_share
                        row00 = table[start + (top * x + left) * h]
                        row01 = table[start + (top * x + right) * h]
                        row10 = table[start + (bottom * x + left) * h]
                        row11 = table[start + (bottom * x + right) * h]
                        for k in range(c):
                            into[k] += (w00 * row00[k] + w01 * row01[k]) + (
                                w10 * row10[k] + w11 * row11[k]
                            )


@Kernel
@no_type_check
def spread_to_places(first, end, sizes, grad, table, asked, shares, of_table, of_asked):
    """Backward; parts are (clip, head, source), each of which has a map of its own.

    `of_table` and `of_asked` arrive filled with zeros.
    """
    _, s, y, x, h = sizes
    queries, points, c = asked.shape[1], asked.shape[5], table.shape[1]
    weights, slopes = np.empty(points, table.dtype), np.empty(points, table.dtype)
    real = table.dtype.type  # a whole number times a float32 would be a float64
    zero, one = real(0), real(1)
    for part in range(first, end):
        source, head, clip = part % s, part // s % h, part // s // h
        share = shares[clip, source]
        if share == 0:
            continue
        start = (clip * s + source) * y * x * h + head
        for q in range(queries):
            column, line = real(q % x), real(q // x)
            g = grad[(clip * queries + q) * h + head]
            across = asked[clip, q, 0, head, source]
            down = asked[clip, q, 1, head, source]
            logits = asked[clip, q, 2, head, source]
            of_across = of_asked[clip, q, 0, head, source]
            of_down = of_asked[clip, q, 1, head, source]
            of_logits = of_asked[clip, q, 2, head, source]
            highest, total = logits[0], zero
            for point in range(1, points):
                highest = max(highest, logits[point])
            for point in range(points):
                weights[point] = math.exp(logits[point] - highest)
                total += weights[point]
            mean_slope = zero
            for point in range(points):
                weights[point] *= share / total
                slopes[point] = zero
                u, v = across[point] + column, down[point] + line
                if not (u > -1 and u < x and v > -1 and v < y):
                    continue
                weight = weights[point]
                left, top = math.floor(u), math.floor(v)
                right, bottom = left + 1, top + 1
                right_share, lower = u - real(left), v - real(top)
                left_share, upper = one - right_share, one - lower
                # Cells outside the map hold zeros: their products count as 0.
                has_left, has_right, has_top, has_bottom = 1, 1, 1, 1
                if left < 0:
                    left, has_left = 0, 0
                if top < 0:
                    top, has_top = 0, 0
                if right == x:
                    right, has_right = left, 0
                if bottom == y:
                    bottom, has_bottom = top, 0
                at00 = start + (top * x + left) * h
                at01 = start + (top * x + right) * h
                at10 = start + (bottom * x + left) * h
                at11 = start + (bottom * x + right) * h
                row00, row01, row10, row11 = table[at00], table[at01], table[at10], table[at11]
                dot00, dot01, dot10, dot11 = zero, zero, zero, zero
                for k in range(c):
                    dot00 += g[k] * row00[k]
                    dot01 += g[k] * row01[k]
                    dot10 += g[k] * row10[k]
                    dot11 += g[k] * row11[k]
                if not (has_left and has_right and has_top and has_bottom):
                    dot00 = dot00 if has_top and has_left else zero
                    dot01 = dot01 if has_top and has_right else zero
                    dot10 = dot10 if has_bottom and has_left else zero
                    dot11 = dot11 if has_bottom and has_right else zero
                if has_top and has_left:
                    into, factor = of_table[at00], weight * upper * left_share
                    for k in range(c):
                        into[k] += factor * g[k]
                if has_top and has_right:
                    into, factor = of_table[at01], weight * upper * right_share
                    for k in range(c):
                        into[k] += factor * g[k]
                if has_bottom and has_left:
                    into, factor = of_table[at10], weight * lower * left_share
                    for k in range(c):
                        into[k] += factor * g[k]
                if has_bottom and has_right:
                    into, factor = of_table[at11], weight * lower * right_share
                    for k in range(c):
                        into[k] += factor * g[k]
                above = left_share * dot00 + right_share * dot01
                below = left_share * dot10 + right_share * dot11
                of_across[point] = weight * (upper * (dot01 - dot00) + lower * (dot11 - dot10))
                of_down[point] = weight * (below - above)
                slopes[point] = upper * above + lower * below
                mean_slope += slopes[point] * weight
            # The softmax: weights of a source add up to its share.
            mean_slope /= share
            for point in range(points):
                of_logits[point] = weights[point] * (slopes[point] - mean_slope)

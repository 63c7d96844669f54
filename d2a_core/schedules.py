"""How fast an optimizer goes from its first step to its last."""

import math

RAMP_UP = 0.1  # share of the steps


def rate(step: int, steps: int) -> float:
    """Share of the learning rate at `step` of `steps`: a short linear rise, then half a cosine down."""
    return min((step + 1) / (RAMP_UP * steps + 1), 1.0) * (0.5 + 0.5 * math.cos(math.pi * step / steps))

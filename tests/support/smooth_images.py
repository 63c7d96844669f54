"""Random images without edges."""

import torch


def smooth(count, side, seed=0):
    """[count, 3, side, side] with details of 8 px."""
    rng = torch.Generator().manual_seed(seed)
    small = torch.randn(count, 3, side // 8, side // 8, generator=rng)
    return torch.nn.functional.interpolate(small, size=side, mode="bilinear")

"""StyleGAN2s of any size with random weights: small, quick, and of no faces."""

import torch

from d2a_core.generator import stylegan2
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.store.lineage import Identity


def random_network(resolution, *, synthesis="skip", seed=0):
    """A StyleGAN2 of at most 16 channels."""
    sides = [4 << step for step in range(resolution.bit_length() - 2)]
    shape = stylegan2.Architecture(
        resolution,
        tuple(min(16, 512 // side) for side in sides),
        synthesis,
        z_dim=24,
        w_dim=16,
        mapping_layers=2,
        mapping_width=16,
    )
    rng = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in stylegan2.shapes(shape).items():
        state[name] = torch.randn(value, generator=rng) * (0.1 if name.endswith("strength") else 1)
        if "torgb.weight" in name or "torgb.bias" in name:
            state[name] /= 4  # images of about [-1, 1]
        if name.startswith("mapping.fc"):
            state[name] /= shape.mapping_lr_multiplier  # which the network multiplies by
    state["mapping.w_avg"] *= 0.1
    return stylegan2.build(shape, state)


def random_generator(resolution, *, draft=None, runtime="torch", threads=1, **kind):
    """The same, ready to render."""
    network, identity = random_network(resolution, **kind), Identity("random", "0" * 64)
    rest = {"identity": identity, "draft": draft, "threads": threads, "runtime": runtime}
    return PretrainedGenerator(network.mapping, network.synthesis, **rest)

"""Stage `latents`: random faces, the synthetic data set of CluDistiller (paper, section 3.1, "Sampling")."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from d2a_core.generator import seeds
from d2a_core.generator.generator import Generator, broadcast
from d2a_core.generator.rendering import render


def sample(
    generator: Generator,
    *,
    shard: int,
    count: int,
    seed: int,
    size: int,
    progress=None,
) -> dict[str, NDArray]:
    """Draw shard number `shard`: `sample_id` [N], `z` and `w` [N, 512], `image` [N, size, size, 3] u1.

    A sample depends on (seed, its id) alone, so adding shards leaves the others as they are, and cutting the
    samples into other shards changes none of them.
    """
    ids = np.arange(shard * count, (shard + 1) * count, dtype=np.int64)
    z = torch.from_numpy(seeds.normal("latents", seed, ids, generator.z_dim))
    with torch.no_grad():
        # one by one: a product of another number of rows differs in its last bits
        w = torch.cat([generator.map(row) for row in z.split(1)])
        images = []
        batch = generator.batch
        for chunk in w.split(batch):
            # a full one also at the end: a convolution of another number of rows differs, too
            whole = torch.cat((chunk, chunk[:1].expand(batch - len(chunk), -1)))
            wplus = broadcast(whole, generator.num_layers)
            images.append(render(generator, wplus, size)[: len(chunk)])
            if progress is not None:
                progress.advance(len(chunk))
    return {
        "sample_id": ids,
        "z": z.numpy(),
        "w": w.cpu().numpy(),
        "image": np.concatenate(images),
    }


def parted(
    arrays: Mapping[str, NDArray], *, keep_images: bool
) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Arrays that stay, and those that pass: `sample_id`, and `image` unless it is kept."""
    staying = {name: array for name, array in arrays.items() if keep_images or name != "image"}
    passing = {name: arrays[name] for name in arrays if name == "sample_id" or name not in staying}
    return staying, passing

"""A generator whose every image is known from its latent."""

import torch


class Flat:
    """A generator whose images are one grey, set by the first channel of w."""

    num_layers, z_dim, w_dim, resolution, batch = 16, 512, 512, 8, 2
    mean_w = torch.ones(512)

    def map(self, z):
        return 0.1 * z + 1

    def synthesize(self, wplus, size=None, consultation=None):
        side = size or self.resolution
        return wplus[:, 0, 0, None, None, None].expand(-1, 3, side, side) - 1

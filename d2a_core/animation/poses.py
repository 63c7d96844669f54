"""Poses of a clip: moments as unlike one another as can be, between which all others lie.

A clip comes back to the same few faces: eyes that close, a mouth that opens, a head that turns. What gradient
steps find for one of them serves every frame that is like it, the third blink as well as the first.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from d2a_core.fan import image_loss
from d2a_core.fan.image_loss import ImageLoss

NEAR = 0.6  # of the way from a pose to the one most like it, the σ within which frames are like it


@dataclass(frozen=True)
class Poses:
    """`rows` [J] of a clip of T frames, and the `shares` [T, J] of them in each frame, which sum to 1."""

    rows: Tensor
    shares: Tensor

    def spread(self, values: Tensor) -> Tensor:
        """Values [T, ...] of all frames, from those of the poses [J, ...]."""
        return torch.einsum("tj,j...->t...", self.shares, values)


def of_clip(loss: ImageLoss, goal: Tensor, most: int) -> Poses:
    """Choose at most so many poses of a clip with landmarks `goal` [T, P, 2].

    The first is the one farthest from the mean; each other one is the farthest from all before it (Gonzalez,
    1985). Frames that are alike make one pose.
    """
    seen = described(loss, goal)
    rows, nearest = [int((seen - seen.mean(dim=0)).norm(dim=1).argmax())], torch.tensor(torch.inf)
    while len(rows) < most:
        nearest = torch.minimum(nearest, (seen - seen[rows[-1]]).norm(dim=1))
        if nearest.max() == 0:
            break
        rows.append(int(nearest.argmax()))
    chosen = torch.tensor(rows)
    return Poses(chosen, _shares(seen, chosen))


def described(loss: ImageLoss, goal: Tensor) -> Tensor:
    """Describe landmarks [T, P, 2] as the loss sees them, [T, D] in inter-ocular distances.

    Weighted points, and the gaps of lids and lips and the gaze beside them, or a blink would be no pose.
    """
    scheme = loss.detector.scheme
    left, right = scheme.outer_eyes
    ocular = (goal[:, left] - goal[:, right]).norm(dim=-1).mean()
    weights = (loss.point_weights / scheme.size).sqrt()[:, None].to(goal)
    return torch.cat(((goal * weights).flatten(1), image_loss.told(goal, scheme)), dim=1) / ocular


def _shares(seen: Tensor, rows: Tensor) -> Tensor:
    """Shares [T, J] of the poses `rows` [J] in frames `seen` [T, D]: a Gaussian of how unlike they are."""
    if len(rows) == 1:
        return torch.ones(len(seen), 1)
    between = torch.cdist(seen[rows], seen[rows]).fill_diagonal_(torch.inf)
    deviation = NEAR * between.min(dim=1).values.median()
    return torch.softmax(-torch.cdist(seen, seen[rows]).square() / (2 * deviation**2), dim=1)

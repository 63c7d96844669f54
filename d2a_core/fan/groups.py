"""Two FANs in place of one: the head's pose and the face's expression apart (paper, section 5, Figure 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from d2a_core.faces.heads import lift, project
from d2a_core.faces.schemes import scheme_of
from d2a_core.fan import fan
from d2a_core.fan.conditioned import ConditionedFan, Conditioning
from d2a_core.fan.network import Architecture, Fan


class SplitFan:
    """Two FANs: that of the group `pose` turns the head, then that of `expression` does the rest.

    In between lies the face as it is, in the pose that is wanted: neither network sees a change that is the
    other's, so that what one of them lets through is put right by the closed loop.
    """

    def __init__(self, pose: Fan | ConditionedFan, expression: Fan | ConditionedFan) -> None:
        self.pose, self.expression = pose, expression

    @property
    def architecture(self) -> Architecture | Conditioning:
        """Sizes of the network for the pose; both move the same layers."""
        return self.pose.architecture

    def __call__(self, current: Tensor, target: Tensor, code: Tensor) -> Tensor:
        """Points [N, P, 2] of the face and of the target, and its w [N, D] → Δw [N, L, D]."""
        turned = turn(current, target)
        return self.pose(current, turned, code) + self.expression(turned, target, code)


def turn(current: Tensor, target: Tensor) -> Tensor:
    """Give the faces `current` pose, size and place of the faces `target`, all [N, P, 2]; NaN stays NaN."""
    scheme, turned = scheme_of(current.shape[1]), current.clone()
    known = (current + target).isfinite().all(dim=2).all(dim=1)
    found, wanted = (lift(points[known].cpu().numpy(), scheme) for points in (current, target))
    turned[known] = torch.from_numpy(project(replace(wanted, shape=found.shape))).to(current)
    return turned


def load(states: Sequence[Mapping], *, device: str) -> Fan | ConditionedFan | SplitFan:
    """Load the FAN of one checkpoint, or of two, those of the groups pose and expression."""
    networks = fan.load_all(states, device=device)
    return networks[0] if len(networks) == 1 else SplitFan(*networks)

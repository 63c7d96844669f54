"""Pivotal tuning (Roich et al., ACM TOG 2022): the generator itself learns one face, around its code.

What the code cannot say (a lock of hair, a collar) goes into the weights, stored as a difference. Only the
convolutions of the late blocks change, not the styles: the code keeps its meaning and geometry stays
where the directions expect it. Codes nearby keep their images, so that the face can still be moved.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from d2a_core.generator.generator import PretrainedGenerator, broadcast
from d2a_core.runtime import Progress
from d2a_core.training import rate

if TYPE_CHECKING:
    from d2a_core.inversion.image_losses import Likeness

REACH = 0.5  # share of the way from the pivot to a random face where images must stay (PTI: its α)
PIVOT_SEED = 20_220_004


def tune(
    generator: PretrainedGenerator,
    wplus: Tensor,
    likeness: "Likeness",
    *,
    steps: int,
    learning_rate: float,
    locality_weight: float,
    progress: Progress | None = None,
) -> dict[str, Tensor]:
    """Find differences of weights that bring the full-size image of `wplus` [1, L, D] nearer to the photo.

    Minimises likeness + locality_weight·‖tuned - original‖₁ of drafts at random codes near the pivot; leaves
    the generator as it was.
    """
    rng = torch.Generator().manual_seed(PIVOT_SEED)
    parameters = dict(generator.synthesis.named_parameters())
    free = {name: parameters[name] for name in generator.synthesis.tunable}
    size = generator.draft.size if generator.draft else None
    nearby = [_neighbour(generator, wplus, rng) for _ in range(steps)]
    with torch.no_grad():
        kept = [generator.synthesize(code, size) for code in nearby]
    optimizer = torch.optim.Adam(free.values(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps))
    with _restored(free) as before:
        for tensor in free.values():
            tensor.requires_grad_(True)
        for code, image in zip(nearby, kept, strict=True):
            optimizer.zero_grad()
            loss = sum(likeness(generator.synthesize(wplus)).values())
            loss = loss + locality_weight * functional.l1_loss(generator.synthesize(code, size), image)
            loss.backward()
            optimizer.step()
            schedule.step()
            if progress is not None:
                progress.advance(1, phase="tune", loss=loss.item())
        return {name: (tensor.detach() - before[name]).cpu() for name, tensor in free.items()}


def _neighbour(generator: PretrainedGenerator, wplus: Tensor, rng: torch.Generator) -> Tensor:
    """A code between the pivot and a random face."""
    with torch.no_grad():
        w = generator.map(torch.randn(1, generator.z_dim, generator=rng))
    return torch.lerp(wplus.to(w), broadcast(w, generator.num_layers), REACH)


@contextmanager
def applied(generator: PretrainedGenerator, delta: Mapping[str, Tensor]) -> Iterator[None]:
    """Add `delta` to the weights inside the block; afterwards they are, to the bit, what they were."""
    parameters = dict(generator.synthesis.named_parameters())
    with _restored({name: parameters[name] for name in delta}):
        apply_delta(generator, delta)
        yield


@contextmanager
def _restored(weights: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield copies of `weights`, which the block may change; afterwards they are as before, and frozen."""
    before = {name: tensor.detach().clone() for name, tensor in weights.items()}
    try:
        yield before
    finally:
        for name, tensor in weights.items():
            tensor.requires_grad_(False).copy_(before[name])


def apply_delta(generator: PretrainedGenerator, delta: Mapping[str, Tensor]) -> None:
    """Add differences of weights, as `tune` returns them; none leave the generator as it is.

    Raises ValueError when they belong to another network.
    """
    parameters = dict(generator.synthesis.named_parameters())
    for name, change in delta.items():
        if name not in parameters or parameters[name].shape != change.shape:
            raise ValueError(
                f"the tuning changes {name!r} {list(change.shape)}, which this generator lacks; "
                "delete it and invert the photo again"
            )
    with torch.no_grad():
        for name, change in delta.items():
            parameters[name].add_(change.to(parameters[name]))

"""Stage `encoder`: from a picture to a code in W, learned on the generator's own samples.

It gives the inversion its start and HFGI its base code. One w serves all layers: with a few thousand faces
offsets for single layers only fitted noise in w that no image shows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from d2a_core import training
from d2a_core.generator import rendering
from d2a_core.generator.generator import broadcast
from d2a_core.inversion.encoder_network import Architecture, Encoder, Trunk
from d2a_core.runtime import Progress
from d2a_core.store import weights
from d2a_core.store.disk_rows import Rows
from d2a_core.training import Task, Training

WIDTH = 192  # channels
DROPOUT = 0.5  # share of readout features dropped in training
BATCH = 32  # faces a step
WEIGHT_DECAY = 0.2
STANDARD_FACES = 512  # faces that give the maps their mean and deviation
CHUNK = 32  # images in memory at a time; the photographs of a face depend on it
HELD_CHUNK = 256  # held-out faces looked at in one go


@dataclass(frozen=True)
class Options:
    """Config section `encoder`."""

    views: int
    epochs: int
    learning_rate: float
    validation_share: float
    seed: int


@dataclass(frozen=True)
class Faces:
    """Maps float16 of V views of each face, N·V rows [C, S, S] kept on disk, and `w` [N, w_dim].

    The views of a face follow one another, the clean one first.
    """

    maps: Rows
    w: Tensor

    @property
    def views(self) -> int:
        """Number of views of each face."""
        return len(self.maps) // len(self.w)

    def look(self, face: Tensor, view: Tensor | int) -> Tensor:
        """Maps [n, C, S, S] of a `view` of each `face` [n]."""
        return torch.from_numpy(self.maps[(face * self.views + view).numpy()])


def faces(
    images: Iterable[NDArray[np.uint8]],
    w: NDArray,
    trunk: Callable[[Tensor], Tensor],
    *,
    views: int,
    seed: int,
    progress: Progress | None = None,
) -> Faces:
    """Compute maps of `images` as they are and as `views` - 1 worse photographs of the same face.

    The images come u1 [`CHUNK`, H, W, 3] at a time, the rest at the end; no two such parts are in memory.
    """
    rng = torch.Generator().manual_seed(seed)
    maps: Rows | None = None
    for part in images:
        clean = rendering.to_float(part)
        worse = [photograph(clean, generator=rng) for _ in range(views - 1)]
        looks = torch.stack([trunk(view).half() for view in (clean, *worse)], dim=1).flatten(0, 1).numpy()
        maps = Rows(looks.shape[1:], looks.dtype) if maps is None else maps
        maps.append(looks)
        if progress is not None:
            progress.advance(len(clean))
    assert maps is not None, "no images"
    return Faces(maps, torch.from_numpy(w).float())


def photograph(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Photograph `images` [N, 3, H, W] in [-1, 1] badly and crop them carelessly: the w stays the same.

    Gain and offset of every colour channel, a similarity of about 3 % of the side, blur and noise. No
    mirroring: a mirrored face has another w.
    """
    count = len(images)

    def draw(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    images = images * (1 + 0.1 * draw(1, 1, 1) + 0.07 * draw(3, 1, 1))
    images = images + 0.1 * draw(1, 1, 1) + 0.04 * draw(3, 1, 1)
    turn = torch.polar(1 + 0.03 * draw(), 0.03 * draw())
    matrix = torch.stack((turn.real, -turn.imag, turn.imag, turn.real), dim=1).reshape(-1, 2, 2)
    move = torch.cat((matrix, 0.03 * draw(2, 1)), dim=2)
    cells = functional.affine_grid(move, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, cells, padding_mode="reflection", align_corners=False)
    side = max(1, images.shape[-1] // 4)
    small = functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    small = functional.interpolate(small, size=images.shape[-2:], mode="bilinear")
    blurred = images + 0.7 * torch.rand(count, 1, 1, 1, generator=generator) * (small - images)
    noise = 0.1 * torch.rand(count, 1, 1, 1, generator=generator)
    return (blurred + noise * torch.randn(images.shape, generator=generator)).clamp(-1, 1)


def start(faces: Faces, options: Options, *, device: str) -> Training[Encoder]:
    """Start a training run; the weights follow `options.seed`."""
    channels, side, _ = faces.maps.shape
    shape = Architecture(channels, side, WIDTH, DROPOUT, faces.w.shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = Encoder(shape)
    learn, _ = _split(faces, options)
    sample = learn[:STANDARD_FACES]
    looks = torch.cat([faces.look(sample, view) for view in range(faces.views)])
    network.standardise(looks.float(), faces.w[learn])
    optimizer = torch.optim.AdamW(
        network.to(device).parameters(), lr=options.learning_rate, weight_decay=WEIGHT_DECAY
    )
    return Training(network, optimizer)


def _split(faces: Faces, options: Options) -> tuple[Tensor, Tensor]:
    return training.split(len(faces.w), validation_share=options.validation_share, seed=options.seed)


def task(network: Encoder, faces: Faces, options: Options, *, device: str) -> Task:
    """Least squares in w, a random view of each face a step."""
    learn, held = _split(faces, options)

    def step(rows: Tensor) -> Tensor:
        view = torch.randint(faces.views, (len(rows),))
        return _loss(network, faces.look(rows, view), faces.w[rows], device)

    def evaluate() -> dict[str, float]:
        parts = held.split(HELD_CHUNK)
        losses = [_loss(network, faces.look(rows, 0), faces.w[rows], device).item() for rows in parts]
        missed = sum(loss * len(rows) for loss, rows in zip(losses, parts, strict=True)) / len(held)
        spread = (faces.w[held] - network.w_mean.cpu()).square().mean().item()
        return {"validation_loss": missed, "explained_variance": 1 - missed / spread}

    return Task("encoder", learn, BATCH, step, evaluate)


def _loss(network: Encoder, maps: Tensor, w: Tensor, device: str) -> Tensor:
    """Mean squared error of w, per coordinate."""
    return functional.mse_loss(network(maps.to(device).float()), w.to(device))


def load(state: Mapping, *, device: str) -> Encoder:
    """Load a trained encoder from a checkpoint that `training.checkpoint` packed."""
    network = Encoder(Architecture(**state["architecture"]))
    network.load_state_dict(state["state"])
    return network.to(device).eval().requires_grad_(False)


def encode(
    network: Encoder, trunk: Callable[[Tensor], Tensor], images: NDArray[np.uint8], *, num_layers: int
) -> Tensor:
    """W+ [N, num_layers, w_dim] of aligned pictures u1 [N, H, W, 3], the same w in every layer."""
    device = network.w_mean.device
    with torch.no_grad():
        return broadcast(network(trunk(rendering.to_float(images)).to(device)), num_layers)


def code_of(
    checkpoints: Sequence[str],
    models: str | Path,
    photo: NDArray[np.uint8],
    *,
    num_layers: int,
    device: str,
    threads: int,
) -> NDArray[np.float32] | None:
    """W+ [1, num_layers, w_dim] of an aligned photo u1 [R, R, 3]; None without an encoder.

    `checkpoints` holds the path of the encoder or none, `models` is the folder of FaceMesh.
    """
    if not checkpoints:
        return None
    network = load(weights.read_checkpoint(checkpoints[0]), device=device)
    trunk = Trunk(Path(models), threads=threads)
    return encode(network, trunk, photo[None], num_layers=num_layers).contiguous().cpu().numpy()

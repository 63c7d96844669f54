"""Stage `hfgi`: put back what a code cannot hold (Wang et al., CVPR 2022, the paper's reference 55).

The distortion map D = x - x0 between a photo and the render of its code is laid onto the face to be shown
(ADA) and turned into a scale and a shift of the generator's 64 px map. Trained on the generator's own faces,
with encoder and generator frozen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from d2a_core import training
from d2a_core.generator.contract import Consultation
from d2a_core.generator.generator import PretrainedGenerator, broadcast
from d2a_core.generator.rendering import to_float, to_uint8
from d2a_core.inversion import consultant, image_losses
from d2a_core.inversion.encoder import encode
from d2a_core.inversion.encoder_network import Encoder
from d2a_core.inversion.hfgi_network import STRIDE, Architecture, Hfgi
from d2a_core.runtime import Progress
from d2a_core.training import Task, Training

FACES_SEED = 20_220_003  # of the faces it is trained on, which the encoder has never seen
WIDTH = 16  # channels of the alignment network
RANK = 64  # waist of the heads for scale and shift; paper: none
RIDGE_FACES = 64  # faces the start of the shift is fitted on
RIDGE = 1e-2  # penalty of that fit, as a share of the mean squared colour
BATCH = 1  # faces a step; paper: 8
DISTORTION = 0.15  # how far corners of a distortion map move inwards, in half sides; paper: 0.15
DISTORTION_SHARE = 0.9  # of distortion maps that are warped; paper: 0.9
ALIGNMENT_WEIGHT = 0.5  # of the L1 error of the aligned map beside the image loss; paper: 0.1


@dataclass(frozen=True)
class Options:
    """Config section `hfgi`."""

    faces: int
    epochs: int
    learning_rate: float
    yaw_limit_deg: float
    validation_share: float
    seed: int


@dataclass(frozen=True)
class Faces:
    """Drafts u1 [N, S, S, 3]: `image` of `w` [N, D] and `base` of the encoder's `wplus` [N, L, D]."""

    image: NDArray[np.uint8]
    base: NDArray[np.uint8]
    w: Tensor
    wplus: Tensor


def faces(
    generator: PretrainedGenerator,
    encoder: Encoder,
    trunk: Callable[[Tensor], Tensor],
    *,
    count: int,
    seed: int,
    progress: Progress | None = None,
) -> Faces:
    """Draw `count` faces and render each beside what the encoder makes of it, as drafts.

    Fresh ones: on the faces it was trained on, the encoder's errors are too small to learn from. Raises
    ValueError for a generator without the map that is to be refined.
    """
    consulted_channels(generator)
    rng = torch.Generator().manual_seed(FACES_SEED + seed)
    size, rows = generator.draft_size, []
    with torch.no_grad():
        for w in generator.map(torch.randn(count, generator.z_dim, generator=rng)).split(1):
            image = to_uint8(generator.synthesize(broadcast(w, generator.num_layers), size))
            wplus = encode(encoder, trunk, image, num_layers=generator.num_layers)
            rows.append((image, to_uint8(generator.synthesize(wplus, size)), w.cpu(), wplus.cpu()))
            if progress is not None:
                progress.advance(1)
    images, bases, codes, found = zip(*rows, strict=True)
    return Faces(np.concatenate(images), np.concatenate(bases), torch.cat(codes), torch.cat(found))


def consulted_channels(generator: PretrainedGenerator) -> int:
    """Channels of the map that is refined; raises ValueError for a generator without one."""
    shape = generator.synthesis.consulted_shape
    if shape is None:
        raise ValueError(
            f"inversion.method hfgi refines a map of 64 px, which a generator of {generator.resolution} px "
            "has not; choose encoder or optimize"
        )
    return shape[0]


def perspective(maps: Tensor, moves: Tensor) -> Tensor:
    """Warp `maps` [N, C, H, W]: each corner takes its value from `moves` [N, 4, 2] away.

    Moves are in half sides, corners in the order top left, top right, bottom left, bottom right.
    """
    corners = torch.tensor([[-1, -1], [1, -1], [-1, 1], [1, 1]]).to(moves)
    x, y = corners.expand_as(moves).unbind(-1)
    u, v = (corners + moves).unbind(-1)
    one, nil = torch.ones_like(x), torch.zeros_like(x)
    rows = [
        torch.stack((x, y, one, nil, nil, nil, -u * x, -u * y), dim=-1),
        torch.stack((nil, nil, nil, x, y, one, -v * x, -v * y), dim=-1),
    ]
    solution = torch.linalg.solve(torch.cat(rows, dim=1), torch.cat((u, v), dim=1))
    matrix = torch.cat((solution, one[:, :1]), dim=1).reshape(-1, 3, 3)
    identity = torch.eye(2, 3).expand(len(maps), -1, -1).to(maps)
    cells = functional.affine_grid(identity, list(maps.shape), align_corners=False)
    places = functional.pad(cells, (0, 1), value=1.0).flatten(1, 2) @ matrix.transpose(1, 2)
    places = (places[..., :2] / places[..., 2:]).reshape(cells.shape)
    return functional.grid_sample(maps, places, padding_mode="border", align_corners=False)


def distort(maps: Tensor, *, distortion: float, share: float) -> Tensor:
    """Warp a `share` of `maps` [N, C, H, W]: corners take values from up to `distortion` further in."""
    inwards = torch.tensor([[1, 1], [-1, 1], [1, -1], [-1, -1]])
    moves = inwards * distortion * torch.rand(len(maps), 4, 2)
    chosen = (torch.rand(len(maps), 1, 1) < share).float()
    return perspective(maps, (moves * chosen).to(maps))


def start(generator: PretrainedGenerator, faces: Faces, options: Options) -> Training[Hfgi]:
    """Start a training run: ADA passes maps on, the shift is the ridge regression."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        shape = Architecture(WIDTH, RANK, consulted_channels(generator))
        network = Hfgi(shape).to(generator.device)
    learn, _ = _split(faces, options)
    network.consultation.start_from(*fit_shift(generator, faces, learn[:RIDGE_FACES].tolist()))
    return Training(network, torch.optim.Adam(network.parameters(), lr=options.learning_rate))


def fit_shift(generator: PretrainedGenerator, faces: Faces, rows: list[int]) -> tuple[Tensor, Tensor]:
    """Fit a reduced-rank ridge regression from the distortion map to the change of features it stands for.

    Each cell of the 64 px map predicts f(w) - f(ŵ) from the 3×3 cells of colours around it; both are known,
    as the faces are the generator's own. Returns `response` [RANK, 48, 3, 3] and `basis` [C, RANK].
    """
    gram = moment = torch.zeros((), dtype=torch.float64)
    for row in rows:
        distortion = _batch(faces, torch.tensor([row]), "cpu").distortion
        colours = functional.unfold(functional.pixel_unshuffle(distortion, STRIDE), 3, padding=1)[0]
        codes = torch.stack((broadcast(faces.w[row : row + 1], generator.num_layers)[0], faces.wplus[row]))
        with torch.no_grad():
            true, found = generator.synthesis.consulted(codes.to(generator.device)).cpu().flatten(2)
        gram = gram + (colours @ colours.T).double()
        moment = moment + (colours @ (true - found).T).double()
    penalty = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    solution = torch.linalg.solve(gram + penalty, moment)
    _, axes = torch.linalg.eigh(solution.T @ gram @ solution)  # of the predicted features, smallest first
    basis = axes[:, -min(RANK, len(gram)) :]
    response = (solution @ basis).T.reshape(-1, len(gram) // 9, 3, 3)
    return response.float(), basis.float()


def _split(faces: Faces, options: Options) -> tuple[Tensor, Tensor]:
    return training.split(len(faces.image), validation_share=options.validation_share, seed=options.seed)


def task(network: Hfgi, generator: PretrainedGenerator, faces: Faces, options: Options) -> Task:
    """The image loss of drafts of the frozen generator; ADA must undo a random perspective besides."""
    learn, held = _split(faces, options)

    def step(rows: Tensor) -> Tensor:
        batch = _batch(faces, rows, generator.device)
        warped = distort(batch.distortion, distortion=DISTORTION, share=DISTORTION_SHARE)
        aligned = network.alignment(warped, batch.face)
        rendered = batch.render(generator, network.consultation(aligned))
        misplaced = (aligned - batch.distortion).abs().mean()
        return image_losses.image_loss(rendered, batch.image) + ALIGNMENT_WEIGHT * misplaced

    return Task("hfgi", learn, BATCH, step, lambda: _figures(network, generator, faces, held))


def _figures(network: Hfgi, generator: PretrainedGenerator, faces: Faces, held: Tensor) -> dict[str, float]:
    """Means over the faces `held` [n]: the image loss, and PSNR with and without a consultation."""
    losses, errors, before = [], [], []
    for row in held:
        batch = _batch(faces, row[None], generator.device)
        rendered = batch.render(generator, network(batch.distortion, batch.face))
        losses.append(image_losses.image_loss(rendered, batch.image).item())
        errors.append(image_losses.psnr(rendered, batch.image))
        before.append(image_losses.psnr(batch.base, batch.image))
    figures = {"validation_loss": losses, "psnr_db": errors, "psnr_before_db": before}
    return {name: float(np.mean(values)) for name, values in figures.items()}


@dataclass(frozen=True)
class _Batch:
    """Some faces of `Faces`, drafts [n, 3, S, S] in [-1, 1], and what the networks see of them."""

    image: Tensor
    base: Tensor
    wplus: Tensor

    @cached_property
    def face(self) -> Tensor:
        """The render of the code, [n, 3, 256, 256]."""
        return consultant.seen(self.base)

    @cached_property
    def distortion(self) -> Tensor:
        """Image minus render, [n, 3, 256, 256]."""
        return consultant.seen(self.image) - self.face

    def render(self, generator: PretrainedGenerator, consultation: Consultation) -> Tensor:
        """Drafts [n, 3, S, S] of the code with a consultation."""
        return generator.synthesize(self.wplus, self.image.shape[-1], consultation=consultation)


def _batch(faces: Faces, rows: Tensor, device: str) -> _Batch:
    chosen = rows.numpy()
    image, base = (to_float(part[chosen]).to(device) for part in (faces.image, faces.base))
    return _Batch(image, base, faces.wplus[rows].to(device))

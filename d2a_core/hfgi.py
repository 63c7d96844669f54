"""Stage `hfgi`: put back what a code cannot hold (Wang et al., CVPR 2022, the paper's reference 55).

The distortion map D = x - x0 between a photo and the render of its code is laid onto the face to be shown
(ADA) and turned into a scale and a shift of the generator's 64 px map. Trained on the generator's own faces,
with encoder and generator frozen.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from d2a_core import training
from d2a_core.encoder import encode
from d2a_core.generator.generator import Consultation, PretrainedGenerator, broadcast
from d2a_core.generator.rendering import to_float, to_uint8
from d2a_core.media.resampling import resize
from d2a_core.networks.encoder import Encoder
from d2a_core.networks.hfgi import PICTURE, STRIDE, Architecture, Hfgi
from d2a_core.store import weights
from d2a_core.training import Training

FACES_SEED = 20_220_003  # of the faces it is trained on, which the encoder has never seen
RIDGE_FACES = 64  # faces the start of the shift is fitted on
PYRAMID = 4  # levels of the image loss
SSIM_WEIGHT = 0.5
WINDOW = 7  # px, of the structural similarity
SSIM_CONSTANTS = (0.01**2, 0.03**2)  # of images in [0, 1]


@dataclass(frozen=True)
class Options:
    """Config section `hfgi`."""

    faces: int
    width: int
    rank: int
    ridge: float
    epochs: int
    batch: int
    learning_rate: float
    distortion: float
    distortion_share: float
    alignment_weight: float
    yaw_limit_deg: float
    validation_share: float
    seed: int


@dataclass(frozen=True)
class Faces:
    """`image` of `w` [N, D] and `base` of the encoder's `wplus` [N, L, D], drafts u1 [N, S, S, 3]."""

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
    progress=None,
) -> Faces:
    """Draw `count` faces and render each beside what the encoder makes of it, as drafts.

    Fresh ones: on the faces it was trained on, the encoder's errors are too small to learn from. Raises
    ValueError for a generator without the map that is to be refined.
    """
    if generator.synthesis.consulted_shape is None:
        raise ValueError(
            f"inversion.method hfgi refines a map of 64 px, which a generator of {generator.resolution} px "
            "has not; choose encoder or optimize"
        )
    rng = torch.Generator().manual_seed(FACES_SEED + seed)
    size, rows = generator.draft.size, []
    with torch.no_grad():
        for w in generator.map(torch.randn(count, generator.z_dim, generator=rng)).split(1):
            image = to_uint8(generator.synthesize(broadcast(w, generator.num_layers), size))
            wplus = encode(encoder, trunk, image, num_layers=generator.num_layers)
            rows.append((image, to_uint8(generator.synthesize(wplus, size)), w.cpu(), wplus.cpu()))
            if progress is not None:
                progress.advance(1)
    image, base, w, wplus = zip(*rows, strict=True)
    return Faces(np.concatenate(image), np.concatenate(base), torch.cat(w), torch.cat(wplus))


def seen(images: Tensor) -> Tensor:
    """Images [N, 3, S, S] at the size that the networks look at, [N, 3, 256, 256]."""
    if images.shape[-1] == PICTURE:
        return images
    size = (PICTURE, PICTURE)
    return functional.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)


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


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """Mean SSIM (Wang et al. 2004) of images [N, 3, H, W] in [-1, 1], uniform windows: a scalar."""

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, WINDOW, stride=1)

    first, second = first / 2 + 0.5, second / 2 + 0.5  # below zero the product of two errors would be a gain
    a, b = mean(first), mean(second)
    variances = mean(first.square()) - a.square() + mean(second.square()) - b.square()
    covariance = mean(first * second) - a * b
    c1, c2 = SSIM_CONSTANTS
    value = (2 * a * b + c1) * (2 * covariance + c2)
    return (value / ((a.square() + b.square() + c1) * (variances + c2))).mean()


def image_loss(rendered: Tensor, image: Tensor) -> Tensor:
    """L1 on a pyramid of halved images plus 1 - SSIM, for images [N, 3, H, W]: a scalar.

    In place of the paper's L2, LPIPS and ArcFace terms, whose networks are no part of this project.
    """
    total = SSIM_WEIGHT * (1 - structural_similarity(rendered, image))
    for _ in range(PYRAMID):
        total = total + (rendered - image).abs().mean() / PYRAMID
        rendered, image = (functional.avg_pool2d(part, 2) for part in (rendered, image))
    return total


def start(generator: PretrainedGenerator, faces: Faces, options: Options) -> Training:
    """A training run before its first epoch: ADA passes maps on, the shift is the ridge regression."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        shape = Architecture(options.width, options.rank, generator.synthesis.consulted_shape[0])
        network = Hfgi(shape).to(generator.device)
    learn, _ = _split(faces, options)
    response = fit_shift(
        generator, faces, learn[:RIDGE_FACES].tolist(), rank=options.rank, ridge=options.ridge
    )
    network.consultation.start_from(*response)
    return Training(network, torch.optim.Adam(network.parameters(), lr=options.learning_rate))


def fit_shift(
    generator: PretrainedGenerator, faces: Faces, rows: list[int], *, rank: int, ridge: float
) -> tuple[Tensor, Tensor]:
    """Reduced-rank ridge regression from the distortion map to the change of features it stands for.

    Each cell of the 64 px map predicts f(w) - f(ŵ) from the 3×3 cells of colours around it; both are known,
    as the faces are the generator's own. Returns `response` [rank, 48, 3, 3] and `basis` [C, rank].
    """
    gram, moment = 0, 0
    for row in rows:
        image, base, _ = _batch(faces, torch.tensor([row]), "cpu")
        distortion = seen(image) - seen(base)
        colours = functional.unfold(functional.pixel_unshuffle(distortion, STRIDE), 3, padding=1)[0]
        codes = torch.stack((broadcast(faces.w[row : row + 1], generator.num_layers)[0], faces.wplus[row]))
        with torch.no_grad():
            true, found = generator.synthesis.consulted(codes.to(generator.device)).cpu().flatten(2)
        gram = gram + (colours @ colours.T).double()
        moment = moment + (colours @ (true - found).T).double()
    penalty = ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    solution = torch.linalg.solve(gram + penalty, moment)
    _, axes = torch.linalg.eigh(solution.T @ gram @ solution)  # of the predicted features, smallest first
    basis = axes[:, -min(rank, len(gram)) :]
    response = (solution @ basis).T.reshape(-1, len(gram) // 9, 3, 3)
    return response.float(), basis.float()


def _split(faces: Faces, options: Options) -> tuple[Tensor, Tensor]:
    return training.split(len(faces.image), validation_share=options.validation_share, seed=options.seed)


def train(
    run: Training,
    generator: PretrainedGenerator,
    faces: Faces,
    options: Options,
    *,
    resume: dict | None = None,
    save: Callable[[dict], None] = lambda state: None,
    log: logging.Logger,
) -> Training:
    """Train both networks through the frozen generator's drafts; ADA must undo a random perspective."""
    learn, held = _split(faces, options)

    def step(rows: Tensor) -> Tensor:
        image, base, wplus = _batch(faces, rows, generator.device)
        distortion = seen(image) - seen(base)
        warped = distort(distortion, distortion=options.distortion, share=options.distortion_share)
        aligned = run.network.alignment(warped, seen(base))
        rendered = _render(generator, wplus, run.network.consultation(aligned), image)
        return image_loss(rendered, image) + options.alignment_weight * (aligned - distortion).abs().mean()

    def evaluate() -> dict[str, float]:
        losses, errors, before = [], [], []
        for row in held:
            image, base, wplus = _batch(faces, row[None], generator.device)
            distortion = seen(image) - seen(base)
            rendered = _render(generator, wplus, run.network(distortion, seen(base)), image)
            losses.append(image_loss(rendered, image).item())
            errors.append(psnr(rendered, image))
            before.append(psnr(base, image))
        figures = {"validation_loss": losses, "psnr_db": errors, "psnr_before_db": before}
        return {name: float(np.mean(values)) for name, values in figures.items()}

    return training.run(
        run, learn, options, stage="hfgi", step=step, evaluate=evaluate, resume=resume, save=save, log=log
    )


def _batch(faces: Faces, rows: Tensor, device: str) -> tuple[Tensor, Tensor, Tensor]:
    chosen = rows.numpy()
    image, base = (to_float(part[chosen]).to(device) for part in (faces.image, faces.base))
    return image, base, faces.wplus[rows].to(device)


def _render(
    generator: PretrainedGenerator, wplus: Tensor, consultation: Consultation, like: Tensor
) -> Tensor:
    return generator.synthesize(wplus, like.shape[-1], consultation=consultation)


def psnr(first: Tensor, second: Tensor) -> float:
    """Peak signal-to-noise ratio of images in [-1, 1], in dB."""
    error = (first.clamp(-1, 1) - second.clamp(-1, 1)).square().mean()
    return float(10 * torch.log10(4 / error))


def load(state: Mapping, *, device: str) -> Hfgi:
    """Trained networks from a checkpoint written by `checkpoint`."""
    network = Hfgi(Architecture(**state["architecture"]))
    network.load_state_dict(state["state"])
    return network.to(device).eval().requires_grad_(False)


def consult(generator: PretrainedGenerator, networks: Hfgi, image: Tensor, wplus: Tensor) -> Consultation:
    """Scale and shift that bring the render of `wplus` [N, L, D] to `image` [N, 3, S, S] in [-1, 1].

    `image` has the size of a draft. `wplus` may be the encoder's code or a better one.
    """
    return consult_frame(generator, networks, image, wplus, wplus)


def consult_frame(
    generator: PretrainedGenerator,
    networks: Hfgi,
    image: Tensor,
    wplus: Tensor,
    moved: Tensor,
    *,
    yaw_deg: Tensor | float = 0.0,
    yaw_limit_deg: float = float("inf"),
) -> Consultation:
    """Scale and shift for frames `moved` [N, L, D] of the face of `image` [1 or N, 3, S, S].

    ADA sees the frame and lays the distortion map of the still onto it. `yaw_deg` [N] is how far each frame
    is turned from the still: see `fade`.
    """
    size = image.shape[-1]
    with torch.no_grad():
        base = generator.synthesize(wplus, size).clamp(-1, 1)
        same = moved is wplus
        face = base if same else generator.synthesize(moved, size).clamp(-1, 1)
        distortion = (seen(image.to(base)) - seen(base)).expand(len(face), -1, -1, -1)
        scale, shift = networks(distortion, seen(face))
    kept = fade(torch.as_tensor(yaw_deg, device=scale.device), limit_deg=yaw_limit_deg).reshape(-1, 1, 1, 1)
    return scale * kept, shift * kept


@dataclass(frozen=True)
class Consultant:
    """What is put back into the frames of one photo; without `networks` it is nothing.

    `image` [1, 3, S, S] in [-1, 1] is the photo at the size of a draft, `wplus` [1, L, D] its code.
    """

    generator: PretrainedGenerator
    networks: Hfgi | None
    image: Tensor
    wplus: Tensor
    yaw_limit_deg: float

    def __call__(self, moved: Tensor, yaw_deg: float = 0.0) -> dict[str, Consultation]:
        """Keyword arguments of `rendering.render` for the code `moved` [1, L, D], turned by `yaw_deg`."""
        if self.networks is None:
            return {}
        pictures = self.image, self.wplus, moved
        turned = {"yaw_deg": yaw_deg, "yaw_limit_deg": self.yaw_limit_deg}
        return {"consultation": consult_frame(self.generator, self.networks, *pictures, **turned)}

    def along(self, yaw_deg: NDArray) -> Callable[[Tensor, int], dict[str, Consultation]]:
        """What `rendering.frames` asks for each frame of a path that is turned by `yaw_deg` [T]."""
        return lambda moved, index: self(moved, float(yaw_deg[index]))


def consultant(
    generator: PretrainedGenerator,
    checkpoints: Sequence[str],
    photo: NDArray[np.uint8],
    wplus: NDArray,
    *,
    yaw_limit_deg: float,
) -> Consultant:
    """The consultant of an aligned photo u1 [R, R, 3]; `checkpoints` has the path of the networks or none."""
    networks = [load(weights.read_checkpoint(path), device=generator.device) for path in checkpoints]
    size = generator.draft.size
    image = to_float(resize(photo[None], size))
    code = torch.as_tensor(wplus)
    return Consultant(generator, next(iter(networks), None), image, code, yaw_limit_deg)


def fade(yaw_deg: Tensor, *, limit_deg: float) -> Tensor:
    """Share of the consultation kept at a turn of `yaw_deg`: 1 up to half the limit, 0 from the limit on.

    ADA has learned to undo perspective warps of 15 % of the half side. A turned head uncovers skin that the
    still never showed and carries the map further than that; the map then stays behind as a ghost (HFGI's
    authors answer pose edits with an alignment of their own that they did not publish, issue 2).
    """
    return (2 * (1 - yaw_deg.abs().float() / limit_deg)).clamp(0, 1)

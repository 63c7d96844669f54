"""Distil a small StyleGAN2 of faces from MobileStyleGAN, and save it as NVIDIA's code would.

No StyleGAN2 of faces can be had offline or be committed, but the pipeline must be tested on one. The mapping
network is MobileStyleGAN's, which has the same form. The synthesis network draws the linear regression of
faces on w, which has a closed form: every block adds to the image what its size can add. That is blurred, but
FaceMesh finds a face with the right pose. Gradient descent gave no faces at all in the same minutes.

    python tests/support/distil_stylegan2.py stylegan2-64.pkl
    python tests/support/distil_stylegan2.py --resolution 256 stylegan2-256.pkl
"""

import math
from pathlib import Path

import click
import stylegan2_checkpoints
import torch
from torch.nn import functional

from d2a_core.faces import detectors, landmarks
from d2a_core.generator import drafts, mobile_stylegan, stylegan2
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.generator.rendering import render, to_uint8
from d2a_core.media import images, sheets
from d2a_core.store.lineage import Identity

MAPS = {4: 40, 8: 40, 16: 40, 32: 40, 64: 16, 128: 8, 256: 8}  # of a colour, by the side of the block
RIDGE = 30.0  # of the regression on w
SMALL_RIDGE = 1e-5  # of that of maps on features, as a share of the mean squared feature
JUDGED = 64  # faces to look at, which it has not learned from


def student(resolution, mapping, *, seed=0):
    """A StyleGAN2 of random features that no w changes, behind the mapping network of MobileStyleGAN."""
    channels = tuple(3 * count for side, count in MAPS.items() if side <= resolution)
    network = stylegan2.Network(stylegan2.Architecture(resolution, channels))
    rng = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in network.state_dict().items():
        random = name.endswith(("conv0.weight", "conv1.weight", "const", "conv0.noise_strength"))
        state[name] = torch.randn(value.shape, generator=rng) if random else torch.zeros_like(value)
        if name.endswith("affine.bias"):
            state[name] = torch.ones_like(value)
    rate = network.architecture.mapping_lr_multiplier
    for index, (weight, bias) in enumerate(zip(mapping.weights, mapping.biases, strict=True)):
        state[f"mapping.fc{index}.weight"] = weight * math.sqrt(weight.shape[1]) / rate
        state[f"mapping.fc{index}.bias"] = bias / rate
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def teacher_faces(teacher, count, *, resolution, seed=1):
    """Codes w [N, 512] and drafts [N, 3, R, R]."""
    rng = torch.Generator().manual_seed(seed)
    w = teacher.map(torch.randn(count, teacher.z_dim, generator=rng))
    parts = []
    with torch.no_grad():
        for codes in w.split(8):
            image = teacher.synthesize(codes[:, None].expand(-1, teacher.num_layers, -1), teacher.draft.size)
            parts.append(functional.avg_pool2d(image, image.shape[-1] // resolution).clamp(-1, 1).half())
    return w, torch.cat(parts)


def draw_linear(network, w, images):
    """Let every block add the part of the linear regression of `images` on `w` that its size can show."""
    synthesis, x, drawn = network.synthesis, None, None
    code = torch.cat((w, torch.ones_like(w[:, :1])), dim=1).double()
    still = torch.zeros(1, synthesis.w_dim)
    for side in synthesis.sizes:
        block = synthesis.get_submodule(f"b{side}")
        before = block.const[None] if x is None else block.conv0(x, still)
        drawn = 0.0 if drawn is None else stylegan2.upsample(drawn, synthesis.kernel)
        missing = functional.avg_pool2d(images, images.shape[-1] // side).float() - drawn
        weight = ridge(code, missing.flatten(2), RIDGE)  # [513, 3, side²]
        fit_maps(block.conv1, before, code, weight)
        x = block.conv1(before, still)
        fit_styles(block.torgb, x[0].flatten(1), weight)
        drawn = drawn + torch.cat(
            [block.torgb(x.expand(len(part), -1, -1, -1), part) for part in w.split(64)]
        )
    network.mapping.w_avg.copy_(w.mean(dim=0))


def ridge(code, targets, penalty):
    """Weight [D, …] of the regression of `targets` [N, …] on `code` [N, D]."""
    gram = code.T @ code + penalty * torch.eye(code.shape[1]).double()
    return torch.linalg.solve(gram, code.T @ targets.flatten(1).double()).unflatten(1, targets.shape[1:])


def fit_maps(conv, before, code, weight):
    """Let `conv` turn the features `before` into the maps, of each colour, along which faces differ most."""
    count = conv.weight.shape[0] // 3
    features = functional.unfold(before, 3, padding=1)[0].double()  # [9C, side²]
    targets = []
    for colour in range(3):
        _, _, axes = torch.linalg.svd(torch.linalg.qr(code).R @ weight[:, colour], full_matrices=False)
        known = axes[: count - 1]
        targets += [torch.ones_like(known[:1]), known, features[: count - 1 - len(known)]]
    gram = features @ features.T
    gram += SMALL_RIDGE * gram.diagonal().mean() * torch.eye(len(gram)).double()
    solution = torch.linalg.solve(gram, features @ torch.cat(targets).T).T  # [3·count, 9C]
    solution = solution / solution.norm(dim=1, keepdim=True)  # as demodulation does
    conv.weight.copy_(solution.reshape(conv.weight.shape))
    conv.bias.copy_(-(solution @ features).amin(dim=1))  # all of it passes the leaky ReLU


def fit_styles(torgb, maps, weight):
    """Let the styles be the coefficients of the colours of faces on `maps` [3·count, side²]."""
    parts = maps.double().unflatten(0, (3, -1))
    styles = torch.cat(
        [weight[:, colour] @ torch.linalg.pinv(parts[colour], rtol=1e-5) for colour in range(3)], 1
    )
    torgb.weight.zero_()
    for colour, channels in enumerate(torch.arange(len(maps)).chunk(3)):
        torgb.weight[colour, channels] = 1.0
    torgb.affine.weight.copy_(styles[:-1].T / (torgb.gain * torgb.affine.gain))
    torgb.affine.bias.copy_(styles[-1] / torgb.gain)


def judge(network, w, models):
    """Share of the faces of `w` on which FaceMesh finds one, and their images."""
    identity = Identity("student", "0" * 64)
    generator = PretrainedGenerator(network.mapping, network.synthesis, identity=identity)
    options = landmarks.Options(detector="facemesh", min_score=0.5, box="ffhq", weights=None)
    detector = detectors.load_detector(options, models, device="cpu", threads=0)
    images = render(generator, w[:, None].expand(-1, generator.num_layers, -1))
    return detector.detect(images).found.mean(), images


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--assets", type=click.Path(path_type=Path), default=Path("data/assets"), show_default=True)
@click.option("--resolution", type=click.Choice(["32", "64", "128", "256"]), default="64", show_default=True)
@click.option("--faces", type=int, default=1200, show_default=True, help="To learn from.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Picture of some faces to write.")
def main(output, assets, resolution, faces, sheet):
    """Write a StyleGAN2 of faces to OUTPUT, a pickle in NVIDIA's format."""
    resolution = int(resolution)
    mapping, synthesis = mobile_stylegan.load(assets / "mobilestylegan-ffhq")
    teacher = PretrainedGenerator(mapping, synthesis, identity=Identity("teacher", "0" * 64))
    teacher.draft = drafts.fit(teacher, size=resolution, renders=12)
    w, faces_drawn = teacher_faces(teacher, faces + JUDGED, resolution=resolution)
    network = student(resolution, mapping)
    draw_linear(network, w[JUDGED:], faces_drawn[JUDGED:])
    found, drawn = judge(network, w[:JUDGED], assets / "mediapipe-face")
    output.write_bytes(stylegan2_checkpoints.nvidia(network))
    click.echo(f"found={found:.3f} output={output}")
    if sheet is not None:
        rows = [[*drawn[:8]], [*to_uint8(faces_drawn[:8].float())]]
        images.write_image(sheets.grid(rows, captions_left=["student", "teacher"], tile=resolution), sheet)


if __name__ == "__main__":
    main()

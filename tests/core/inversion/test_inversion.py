import numpy as np
import pytest
import torch

from d2a_core.faces import face_resnet
from d2a_core.generator import drafts, latent_prior
from d2a_core.generator.generator import broadcast
from d2a_core.generator.rendering import render
from d2a_core.inversion import image_losses, inversion, sources
from d2a_core.media import similarity

OPTIONS = inversion.Options(
    method="optimize",
    w_steps=120,
    wplus_steps=120,
    full_steps=0,
    shared_layers=0,
    surroundings_weight=1.0,
    learning_rate=0.1,
    least_gain=0.0,
    pixel_weight=1.0,
    structure_weight=0.5,
    features_weight=0.5,
    identity_weight=1.0,
    prior_weight=0.0,
    spread_weight=0.0,
    tune=False,
    tune_steps=0,
    tune_learning_rate=1e-3,
    locality_weight=1.0,
)


class Linear:
    """image = first layer @ m + second layer @ n: what every code shows is known on paper."""

    resolution, num_layers, z_dim, w_dim, device, draft = 4, 2, 4, 4, "cpu", None

    def __init__(self):
        rng = torch.Generator().manual_seed(0)
        self.m, self.n = torch.randn(2, 4, 8, generator=rng) / 2
        self.mean_w = torch.full((4,), 0.5)

    def map(self, z):
        return z + self.mean_w

    def synthesize(self, wplus, size=None, consultation=None):
        return wplus[:, 0] @ self.m + wplus[:, 1] @ self.n


class ThreeLayers(Linear):
    """Twice the first layer of `Linear`, so that only the sum of the first two shows."""

    num_layers = 3

    def synthesize(self, wplus, size=None, consultation=None):
        return (wplus[:, 0] + wplus[:, 1]) @ self.m / 2 + wplus[:, 2] @ self.n


def _changed(**values):
    return inversion.Options(**{**OPTIONS.__dict__, **values})


def _invert(wplus, options=OPTIONS, *, network=None, **rest):
    network = network or Linear()
    target = network.synthesize(wplus)

    def squared(image):
        return {"pixel": (image - target).square().mean()}

    return inversion.optimize(network, squared, latent_prior.fit(network), options, **rest)


@pytest.fixture
def wplus():
    return torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(3)) + 0.5


def test_a_known_code_is_recovered(wplus):
    found = _invert(wplus)
    assert found.wplus == pytest.approx(wplus.numpy(), abs=0.05)
    assert found.history[-1]["loss"] < 1e-3 * found.history[0]["loss"]
    assert [row["phase"] for row in found.history] == ["w"] * 120 + ["wplus"] * 120


def test_a_strong_prior_gives_the_mean_face(wplus):
    found = _invert(wplus, _changed(prior_weight=1e3, spread_weight=1e3))
    assert found.wplus == pytest.approx(np.full((1, 2, 4), 0.5), abs=0.05)


def test_a_strong_spread_weight_gives_one_code_for_all_layers(wplus):
    apart = _invert(wplus).wplus
    found = _invert(wplus, _changed(spread_weight=1e3)).wplus
    assert np.abs(found[:, 0] - found[:, 1]).max() < 0.05 < np.abs(apart[:, 0] - apart[:, 1]).max()


def test_shared_layers_keep_one_code_and_the_others_are_free(wplus):
    known = wplus[:, [0, 0, 1]]
    start = known + torch.tensor([0.3, -0.3, 0.0])[:, None]  # the same sum
    free = _invert(known, network=ThreeLayers(), start=start).wplus
    shared = _invert(known, _changed(shared_layers=2), network=ThreeLayers(), start=start).wplus
    assert free == pytest.approx(start.numpy(), abs=0.05)
    assert shared == pytest.approx(known.numpy(), abs=0.05)


def test_a_start_at_the_answer_stops_at_the_second_anchor_and_skips_the_common_code(wplus):
    found = _invert(wplus, _changed(learning_rate=1e-9, least_gain=0.01), start=wplus)
    assert [row["phase"] for row in found.history] == ["wplus"] * (inversion.ROUND + 1)
    assert found.wplus == pytest.approx(wplus.numpy(), abs=1e-4)


def test_only_a_cpu_with_drafts_ends_with_full_steps():
    plain = Linear()
    drafting = Linear()
    drafting.draft = drafts.Draft(2)
    options = _changed(full_steps=3)
    assert [phase.name for phase in inversion.phases(plain, options, started=False)] == ["w", "wplus"]
    assert [(phase.name, phase.drafts) for phase in inversion.phases(drafting, options, started=True)] == [
        ("wplus", True),
        ("full", False),
    ]


def test_drafts_of_the_full_size_are_not_told_from_it():
    small = Linear()
    small.draft = drafts.Draft(small.resolution)
    phases = inversion.phases(small, _changed(full_steps=3), started=False)
    assert [(phase.name, phase.drafts) for phase in phases] == [("w", False), ("wplus", False)]


def test_a_photo_is_averaged_down_to_the_size_of_the_images():
    photo = np.zeros((8, 8, 3), np.uint8)
    photo[::2] = 100
    assert (inversion.fitted(photo, Linear()) == np.full((4, 4, 3), 50)).all()


def test_an_encoder_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="'hfgi', which needs an encoder; choose 'optimize'"):
        inversion.find_code(Linear(), None, _changed(method="hfgi"), start=None, progress=None)


@pytest.fixture(scope="module")
def network(load_generator):
    torch.set_num_threads(1)
    found = load_generator(threads=1)
    found.draft = drafts.Draft(min(256, found.resolution // 2))  # anchoring fits it
    return found


@pytest.mark.slow
@pytest.mark.parametrize("load_generator", ["mobile"], indirect=True)  # random weights draw nothing smooth
def test_an_anchored_draft_equals_the_full_render_and_has_gradients(network):
    wplus = sources.code(network, seed=3, truncation=1.0)
    factor = network.resolution // network.draft.size
    full = torch.nn.functional.avg_pool2d(network.synthesize(wplus), factor)
    anchored = drafts.AnchoredDraft(network, wplus)
    assert torch.allclose(anchored(wplus), full, atol=1e-4)
    moved = torch.lerp(wplus, sources.code(network, seed=4, truncation=1.0), 0.1)
    there = torch.nn.functional.avg_pool2d(network.synthesize(moved), factor)
    assert (anchored(moved) - there).abs().mean() < 0.6 * (full - there).abs().mean()
    near = (wplus + 0.1 * torch.randn(wplus.shape)).requires_grad_()
    anchored(near).square().mean().backward()
    layers = 2 * drafts.blocks(network.draft.size) + 1
    assert (near.grad[0, :layers].abs().sum(dim=-1) > 0).all()


def test_a_few_steps_bring_a_real_face_nearer_than_the_mean_face(load_faces, assets):
    network = load_faces(threads=1)
    network.draft = drafts.Draft(min(256, network.resolution))
    code = sources.code(network, seed=5, truncation=0.7)
    photo = render(network, code)[0]
    corners = torch.tensor([[0.69, 0.48], [0.56, 0.48], [0.31, 0.48], [0.44, 0.48], [0.5, 0.62]])
    features = face_resnet.load(assets / "dlib-face" / face_resnet.FILE)
    near = image_losses.Likeness(photo, corners, features, weights=OPTIONS.weights)
    options = _changed(w_steps=15, wplus_steps=0, prior_weight=0.003)
    found = inversion.optimize(network, near, latent_prior.fit(network), options)
    mean = render(network, broadcast(network.mean_w[None], network.num_layers))[0]
    image = render(network, torch.from_numpy(found.wplus))[0]
    assert similarity.psnr(image, photo) > similarity.psnr(mean, photo) + 2


def test_what_lies_beside_the_face_counts_by_its_share(assets):
    photo = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    corners = torch.tensor([[0.69, 0.48], [0.56, 0.48], [0.31, 0.48], [0.44, 0.48], [0.5, 0.62]])
    features = face_resnet.load(assets / "dlib-face" / face_resnet.FILE)
    share = np.full((256, 256), 0.25, np.float32)
    share[:, 128:] = 1.0
    weights = image_losses.Weights(pixel=1.0, structure=0.0, features=0.0, identity=0.0)
    near = image_losses.Likeness(photo, corners, features, weights=weights, share=share)

    def off(columns):  # the coarser means of a constant error are the error itself
        image = near.photo(256).clone()
        image[..., columns] += 0.2
        return near(image)["pixel"].item()

    assert off(slice(128, 256)) == pytest.approx(0.1, rel=1e-3)
    assert off(slice(0, 128)) == pytest.approx(0.025, rel=1e-3)
    assert near(near.photo(128))["pixel"].item() == pytest.approx(0, abs=1e-6)


def test_the_comparison_shows_every_picture_in_one_row():
    image = np.zeros((64, 64, 3), np.uint8)
    row = {"psnr": 20.0, "ms_ssim": 0.8, "identity": 0.95}
    names = ("optimize", "tuned")
    drawn = inversion.draw(image, dict.fromkeys(names, image), dict.fromkeys(names, row), strangers=0.86)
    assert drawn.shape[0] > 512 and drawn.shape[1] == 3 * 512

from dataclasses import replace

import pytest
import torch

from d2a_core import training
from d2a_core.fan import conditioned, fan
from d2a_core.fan.conditioned import ConditionedFan, Conditioning
from d2a_core.fan.network import Architecture, Fan
from d2a_core.generator.latent_prior import LatentPrior

POINTS, LAYERS, WIDTH = 5, 3, 4
BASE = Architecture(POINTS, LAYERS, 0, 16, 1.0, 2, width=8, depth=1, w_dim=WIDTH)
SIZES = Conditioning(BASE, width=16, depth=1, sees_code=True)


def turned_prior():
    """A prior whose axes are none of w's, with known deviations."""
    axes = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(3)))[0]
    return LatentPrior(torch.arange(WIDTH).float(), axes, torch.tensor([0.5, 1.0, 2.0, 4.0]))


PRIOR = turned_prior()


def network(sizes=SIZES, *, trained=False):
    """A conditioned FAN, as it starts or with weights of its own everywhere."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        vector = torch.randn(sizes.base.directions, LAYERS, WIDTH) if sizes.base.directions else None
        base = Fan(sizes.base, vector)
        torch.nn.init.normal_(base.head.weight)
        whole = ConditionedFan(sizes, base, PRIOR)
        if trained:
            torch.nn.init.normal_(whole.head.weight)
            torch.nn.init.normal_(whole.gain)
    return whole.eval()


def inputs(count=6, seed=2):
    rng = torch.Generator().manual_seed(seed)
    return (*torch.rand(2, count, POINTS, 2, generator=rng), torch.randn(count, WIDTH, generator=rng))


def test_it_starts_as_the_fan_it_is_made_of_times_the_gain():
    started, (source, target, code) = network(), inputs()
    expected = conditioned.START_GAIN * started.base(source, target)
    assert expected.abs().min() > 0
    torch.testing.assert_close(started(source, target, code), expected)


@pytest.mark.parametrize("sees_code", [True, False])
def test_the_code_changes_the_step_only_where_it_is_seen(sees_code):
    fan_, (source, target, code) = network(replace(SIZES, sees_code=sees_code), trained=True), inputs()
    one, other = fan_(source, target, code), fan_(source, target, code + 1)
    assert torch.equal(one, other) != sees_code
    assert not torch.equal(one, fan_(source, target.flip(0), code))


def added(fan_, size):
    """Lengths of the added steps in deviations of w, [N, L], when the head is `size` times as large."""
    source, target, code = inputs()
    with torch.no_grad():
        fan_.head.weight *= size
        step = fan_(source, target, code) - fan_.gain * fan_.base(source, target)
    return PRIOR.encode(step + PRIOR.mean).norm(dim=-1)


def test_an_added_step_is_never_longer_than_the_longest():
    assert added(network(trained=True), 1e4).numpy() == pytest.approx(conditioned.LONGEST, rel=1e-3)


def test_a_short_step_is_added_as_it_is():
    lengths = [added(network(trained=True), size) for size in (1e-3, 2e-3)]
    assert 0 < lengths[0].max() < 1
    torch.testing.assert_close(lengths[1], 2 * lengths[0], rtol=1e-2, atol=1e-4)


def test_a_head_that_says_one_moves_w_by_the_unit_along_an_axis():
    fan_, (source, target, code) = network(), inputs(1)
    with torch.no_grad():
        fan_.head.bias[0] = 1.0  # the first axis, in the first layer
        step = fan_(source, target, code) - fan_.gain * fan_.base(source, target)
    expected = torch.zeros(1, LAYERS, WIDTH)
    expected[0, 0] = conditioned.STEP_UNIT * PRIOR.deviation[0] * PRIOR.axes[:, 0]
    torch.testing.assert_close(step, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("directions", [0, 3])
def test_a_checkpoint_gives_the_same_steps(directions):
    whole = network(replace(SIZES, base=replace(BASE, directions=directions)), trained=True)
    run = training.Training(whole, torch.optim.SGD(whole.parameters()), best=whole.state_dict())
    packed = training.checkpoint(run, {})
    loaded = fan.load(packed, device="cpu")
    assert isinstance(loaded, ConditionedFan) and loaded.architecture == whole.architecture
    with torch.no_grad():
        assert torch.equal(loaded(*inputs()), whole(*inputs()))


def test_a_fan_of_pairs_is_loaded_as_before_and_takes_a_code_that_it_does_not_see():
    base = network().base
    run = training.Training(base, torch.optim.SGD(base.parameters()), best=base.state_dict())
    loaded, (source, target, code) = fan.load(training.checkpoint(run, {}), device="cpu"), inputs()
    assert isinstance(loaded, Fan)
    assert torch.equal(loaded(source, target, code), base(source, target))


def test_it_moves_the_layers_of_its_base():
    assert SIZES.layers == LAYERS == network()(*inputs()).shape[1]

from types import SimpleNamespace

import image_world
import numpy as np
import pytest
import torch
from image_world import ALL, GAIN, OCULAR, REST, ImageWorld, faces, loss_of, step, weights

from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98
from d2a_core.fan import image_loss

HERE = torch.zeros(1, 10, image_world.WIDTH)  # the code of a face at rest


def terms(delta, goal=REST[None], loss=None, **options):
    """Terms of one face at rest."""
    loss = loss or loss_of()
    face = faces(loss, HERE)
    found = loss.terms(face, delta, goal, loss.mask(face, goal), **options)
    return {name: value.item() for name, value in found.items()}


def apart(**numbers):
    """Terms of a step, without those that are nothing."""
    found = terms(step(**numbers))
    return {name: value for name, value in found.items() if name != "prior" and abs(value) > 1e-5}


def test_a_face_that_stays_where_it_should_costs_nothing():
    assert terms(step()) == pytest.approx(dict.fromkeys(vars(ALL), 0.0), abs=1e-5)


def test_a_step_that_is_seen_nowhere_costs_its_length_in_deviations_alone():
    found = terms(step(unseen=1.0))
    assert found.pop("prior") == pytest.approx((1.0 / 0.5) ** 2)
    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=1e-5)


def test_the_prior_is_the_mean_over_the_layers_and_the_sum_over_the_axes():
    delta = step(person=2.0, unseen=0.5)  # one deviation along either
    delta[:, 4:] = 0
    assert terms(delta)["prior"] == pytest.approx(2 / 2)


def test_a_shift_costs_its_length_over_the_distance_of_the_eyes():
    assert apart(right=3.0, down=-4.0 / 2) == pytest.approx({"landmarks": GAIN * 13**0.5 / OCULAR}, rel=1e-4)


def test_parted_lips_cost_their_points_and_their_share_of_seven_features():
    found = apart(gap=2.0)
    rest = image_loss.features(REST[None], WFLW98)[0, 2]
    parted = REST[None].clone()
    parted[:, image_world.LOWER_LIP, 1] += 2 * GAIN
    gap = image_loss.features(parted, WFLW98)[0, 2] - rest
    weight = image_loss.LIPS_WEIGHT / 7
    assert found["features"] == pytest.approx(weight * gap.item() / OCULAR, rel=1e-4)
    share = 3 * image_loss.point_weights(WFLW98)[94].item() / 98
    assert found["landmarks"] == pytest.approx(share * 2 * GAIN / OCULAR, rel=1e-4)
    assert found.keys() == {"features", "landmarks"}


def test_the_gaps_of_lids_and_lips_count_more():
    shut, parted = REST[None].clone(), REST[None].clone()
    shut[:, [62, 66]] = REST[[62, 66]].mean(dim=0)  # the middle of an eye's lids
    parted[:, image_world.LOWER_LIP, 1] += GAIN
    for other, weight in ((shut, image_loss.LIDS_WEIGHT), (parted, image_loss.LIPS_WEIGHT)):
        plain, told = (
            (each(other, WFLW98) - each(REST[None], WFLW98))[0, :3].abs().sum()
            for each in (image_loss.features, image_loss.told)
        )
        assert plain > 0 and told.item() == pytest.approx(weight * plain.item(), rel=1e-5)


def test_another_person_costs_the_square_of_the_distance():
    found = apart(person=1.0)  # 0.3 bluer, and one channel in three of face and backdrop changes as much
    assert found == pytest.approx({"identity": 0.3**2, "outside": 0.3 / 3, "colour": 0.3 / 3}, rel=1e-3)


def test_a_stranger_costs_no_more_than_a_stranger():
    assert terms(step(person=8.0))["identity"] == image_loss.STRANGER
    assert terms(step(right=50.0))["landmarks"] == pytest.approx(image_loss.FARTHEST)


def test_what_moves_within_the_face_is_no_change_of_its_colour():
    found = terms(step(right=3.0, down=-1.0))  # pixels of the face grow lighter and darker by as much
    assert found["landmarks"] > 0.01 and found["colour"] == pytest.approx(0, abs=1e-5)


def test_another_backdrop_costs_its_change_and_no_change_on_the_face_does():
    assert apart(grey=-2.0) == pytest.approx({"outside": 0.2, "colour": 0.2}, rel=1e-3)
    loss = loss_of()
    face = faces(loss, HERE)
    everywhere = loss.mask(face, REST[None])
    half = everywhere * (torch.arange(64) < 32)
    whole, part = (loss.terms(face, step(grey=1.0), REST[None], m)["outside"] for m in (everywhere, half))
    assert part.item() == pytest.approx(whole.item(), rel=1e-4)  # a mean over what should stay
    nothing = loss.terms(face, step(grey=1.0), REST[None], 0 * everywhere)
    assert nothing["outside"].item() == 0 and nothing["colour"].item() == pytest.approx(0.1, rel=1e-3)


def test_every_term_has_its_weight():
    every = {"right": 1.0, "gap": 1.0, "person": 1.0, "unseen": 1.0}
    plain = terms(step(**every))
    for name in plain:
        alone = terms(step(**every), loss=loss_of(weights(**{name: 3.0})))
        assert alone == pytest.approx({**dict.fromkeys(plain, 0.0), name: 3 * plain[name]}, rel=1e-5), name


def test_a_step_towards_the_goal_lowers_the_landmark_error_to_nothing():
    goal = REST[None] + GAIN * torch.tensor([2.0, -1.0])
    on_the_way, there = (terms(share * step(right=2.0, down=-1.0), goal) for share in (0.5, 1.0))
    assert on_the_way["landmarks"] == pytest.approx(terms(step(), goal)["landmarks"] / 2, rel=1e-3)
    assert there["landmarks"] == pytest.approx(0, abs=1e-5)


def test_gradients_reach_the_step_and_point_at_the_goal():
    loss, goal = loss_of(weights(landmarks=1.0)), REST[None] + GAIN * torch.tensor([2.0, 0.0])
    delta = step(down=0.0).requires_grad_()
    face = faces(loss, HERE)
    loss.terms(face, delta, goal, loss.mask(face, goal))["landmarks"].sum().backward()
    slope = delta.grad.sum(dim=1)[0]
    assert slope[image_world.RIGHT].item() == pytest.approx(-GAIN / OCULAR, rel=1e-3)
    assert slope[[image_world.PERSON, image_world.GREY, image_world.UNSEEN]].abs().max() < 1e-5


def test_a_look_and_a_moved_crop_are_those_that_were_asked_for():
    loss = loss_of(weights(landmarks=1.0), ImageWorld(bias=1.0))
    aside = GAIN / OCULAR
    looks = {look: terms(step(), loss=loss, look=look)["landmarks"] for look in ("both", "straight")}
    assert looks == pytest.approx({"both": 0.0, "straight": aside}, abs=1e-5)
    left = REST[None] - torch.tensor([GAIN, 0.0])
    assert terms(step(), left, loss=loss, look="mirrored")["landmarks"] == pytest.approx(0, abs=1e-5)
    crop = torch.tensor([[2.0, 0.0, 0.0, 0.0]])  # two deviations of three pixels of 64
    far = image_world.CROP_ERROR * 2 * image_loss.REGION_SHIFT / 64 / OCULAR
    assert terms(step(), loss=loss, jitter=crop)["landmarks"] == pytest.approx(far, rel=1e-3)


@pytest.mark.parametrize("scheme", [WFLW98, IBUG68], ids=lambda scheme: scheme.name)
def test_weights_of_points_are_one_on_average_and_four_times_as_large_on_the_mouth(scheme):
    found = image_loss.point_weights(scheme)
    assert found.mean().item() == pytest.approx(1)
    mouth, contour = (found[list(scheme.parts[name])] for name in ("mouth", "contour"))
    assert (mouth == 4 * contour[0]).all() and (contour == contour[0]).all()


@pytest.mark.parametrize("scheme", [WFLW98, IBUG68], ids=lambda scheme: scheme.name)
def test_features_begin_with_the_gaps_of_left_eye_right_eye_and_lips(scheme):
    face = torch.tensor(template_of(scheme)[:, :2]).float()
    for number, pairs in enumerate(
        (
            [pair for pair in scheme.lids if pair[0] in scheme.left_eye],
            [pair for pair in scheme.lids if pair[0] in scheme.right_eye],
            scheme.lips,
        )
    ):
        for upper, lower in pairs:
            face[lower] = face[upper] + torch.tensor([0.0, 0.1 * (number + 1)])
    assert image_loss.features(face[None], scheme)[0, :3].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert image_loss.features(face[None], scheme).shape[1] == (7 if scheme.pupils else 3)


def test_features_end_with_the_place_of_each_pupil_between_the_corners_of_its_eye():
    face = torch.tensor(template_of(WFLW98)[:, :2]).float()
    for pupil, corners, aside in ((96, (60, 64), [0.1, 0.0]), (97, (68, 72), [-0.2, 0.05])):
        face[pupil] = face[list(corners)].mean(dim=0) + torch.tensor(aside)
    assert image_loss.features(face[None], WFLW98)[0, 3:].tolist() == pytest.approx([0.1, 0.0, -0.2, 0.05])


def test_gaps_do_not_depend_on_the_turn_of_the_picture():
    face = torch.tensor(template_of(WFLW98)[None, :, :2]).float()
    quarter = torch.stack((-face[..., 1], face[..., 0]), dim=2)
    torch.testing.assert_close(
        image_loss.features(quarter, WFLW98)[:, :3], image_loss.features(face, WFLW98)[:, :3]
    )


def test_regions_are_moved_resized_and_turned_by_so_many_deviations():
    regions = torch.tensor([[30.0, 40.0, 100.0, 0.2], [31.0, 41.0, 50.0, 0.0]])
    assert torch.equal(image_loss.jittered(regions, torch.zeros(2, 4)), regions)
    one = torch.tensor([[1.0, -1.0, 1.0, 2.0], [0.0, 0.0, -9.0, 0.0]])
    expected = torch.tensor([[33.0, 37.0, 108.0, 0.3], [31.0, 41.0, 50 * (1 - 1.5 * 0.08), 0.0]])
    torch.testing.assert_close(image_loss.jittered(regions, one), expected)


def test_a_mask_spares_the_face_as_it_is_and_as_it_should_be():
    loss = loss_of()
    face = faces(loss, HERE)
    still, moved = (
        loss.mask(face, REST[None] + shift)[0, 0] for shift in (torch.zeros(2), torch.tensor([0.15, 0]))
    )
    assert still.shape == (64, 64) and still[31, 31] < 1e-3 and still[2, 2] == pytest.approx(1, abs=1e-3)
    middle, beside = int(REST[54, 1] * 64), int((REST[:, 0].max() + 0.08) * 64)
    assert moved[middle, beside] < 0.2 < 0.6 < still[middle, beside]
    assert (moved <= still + 1e-6).all()


def test_faces_know_their_draft_and_who_they_are():
    wplus = image_world.codes(3)
    loss = loss_of()
    found = faces(loss, wplus)
    assert found.image.shape == (3, 64, 64, 3) and found.image.dtype == torch.uint8
    expected = 0.3 * wplus[:, 0, image_world.PERSON, None]
    torch.testing.assert_close(found.embedding, expected, atol=1e-2, rtol=0)
    assert torch.equal(found.code, wplus[:, 0])
    for name in ("wplus", "image", "points", "embedding", "code"):
        assert torch.equal(getattr(found[1:], name), getattr(found, name)[1:]), name


def test_a_detector_without_gradients_is_one_sentence(monkeypatch):
    monkeypatch.setattr(image_loss.face_resnet, "load", lambda path: torch.nn.Module())
    job = SimpleNamespace(
        input=SimpleNamespace(identity="x"), params=SimpleNamespace(generator={"draft_size": 64})
    )
    blunt = SimpleNamespace(name="face-alignment", scheme=IBUG68, options=None, detect=np.zeros)
    with pytest.raises(ValueError, match="'face-alignment', which has no gradients; image space needs"):
        image_loss.of_job(job, ImageWorld(), blunt, ALL)


def test_the_loss_of_a_job_knows_the_detector_the_drafts_and_the_spread_of_w(monkeypatch):
    monkeypatch.setattr(image_loss.face_resnet, "load", lambda path: torch.nn.Module())
    job = SimpleNamespace(
        input=SimpleNamespace(identity="x"), params=SimpleNamespace(generator={"draft_size": 64})
    )
    world = ImageWorld()
    world.options = None
    found = image_loss.of_job(job, world, world, ALL)
    assert found.size == 64 and found.detector is world
    torch.testing.assert_close(found.prior.deviation, torch.ones(6), atol=0.05, rtol=0)

import numpy as np
import pytest

from d2a_core.faces import geometry, moves
from d2a_core.faces.heads import Heads
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98

SCHEMES = pytest.mark.parametrize("scheme", [WFLW98, IBUG68], ids=lambda scheme: scheme.name)
CENTRED, LIP_LOW, LIP_UP = 16, 94, 90  # of WFLW: the chin, the middles of the inner lips


def heads(scheme=WFLW98, count=1, yaw=0.0):
    rotation = np.tile(geometry.rotation_matrix(yaw, 0, 0), (count, 1, 1))
    shape = np.tile(template_of(scheme), (count, 1, 1))
    return Heads(rotation, np.full(count, 0.25), np.full((count, 2), 0.5), shape)


def change(scheme=WFLW98, **values):
    """What moves [P, 3] when one value of one head is changed."""
    before = heads(scheme)
    return (moves.moved(before, values).shape - before.shape)[0]


def gaps(shape, pairs):
    return np.array([shape[lower, 1] - shape[upper, 1] for upper, lower in pairs])


def pairs_of(scheme, eye):
    return [pair for pair in scheme.lids if pair[0] in eye]


@SCHEMES
@pytest.mark.parametrize(("name", "closing"), [("left_eye_closed", 0), ("right_eye_closed", 1)])
def test_a_closed_eye_has_no_gap_and_the_other_is_as_before(scheme, name, closing):
    closed = moves.moved(heads(scheme), {name: 1.0}).shape[0]
    eyes = scheme.left_eye, scheme.right_eye
    assert gaps(closed, pairs_of(scheme, eyes[closing])) == pytest.approx(0, abs=1e-9)
    moved = np.flatnonzero(np.abs(closed - template_of(scheme)).max(axis=1) > 0)
    assert set(moved) == set(np.ravel(pairs_of(scheme, eyes[closing])))


def test_a_half_closed_eye_has_half_its_gap_and_the_upper_lid_goes_most_of_it():
    pairs = pairs_of(WFLW98, WFLW98.left_eye)
    before = gaps(template_of(WFLW98), pairs)
    way = change(left_eye_closed=0.5)
    assert gaps(way, pairs) == pytest.approx(-before / 2)
    assert (way[[upper for upper, _ in pairs], 1] > -3 * way[[lower for _, lower in pairs], 1]).all()


@pytest.mark.parametrize(
    ("name", "expected"), [("yaw", (12, 0, 0)), ("pitch", (0, 12, 0)), ("roll", (0, 0, 12))]
)
def test_a_turn_is_of_so_many_degrees_about_its_own_axis(name, expected):
    turned = moves.moved(heads(), {name: 12.0})
    assert geometry.angles_of(turned.rotation)[0] == pytest.approx(expected, abs=1e-3)
    assert np.array_equal(turned.shape, heads().shape)


def test_a_turned_head_is_turned_further_by_yaw():
    turned = moves.moved(heads(yaw=-20.0), {"yaw": 35.0})
    assert geometry.angles_of(turned.rotation)[0] == pytest.approx((15, 0, 0), abs=1e-3)


def test_every_head_has_a_value_of_its_own():
    turned = moves.moved(heads(count=3), {"yaw": [0.0, 10.0, -5.0], "brows_up": [0.1, 0.0, 0.0]})
    assert geometry.angles_of(turned.rotation)[:, 0] == pytest.approx((0, 10, -5), abs=1e-3)
    raised = np.abs(turned.shape - heads().shape).max(axis=(1, 2))
    assert raised == pytest.approx((0.1, 0, 0))


@SCHEMES
def test_raised_brows_move_alone_and_upwards(scheme):
    way, brows = change(scheme, brows_up=0.1), list(scheme.parts["brows"])
    assert way[brows] == pytest.approx(np.tile((0, -0.1, 0), (len(brows), 1)))
    assert not np.delete(way, brows, axis=0).any()


def test_an_opened_mouth_has_so_much_more_room_and_keeps_its_corners():
    way = change(mouth_open=0.2)
    assert gaps(way, WFLW98.lips) == pytest.approx(0.2, abs=0.004)
    assert way[list(WFLW98.mouth_corners)] == pytest.approx(0, abs=1e-9)
    assert 0 < way[CENTRED, 1] < way[LIP_LOW, 1] and way[LIP_UP, 1] < 0
    moved = np.flatnonzero(np.abs(way).max(axis=1) > 1e-9)
    assert set(moved) <= {*WFLW98.parts["mouth"], *WFLW98.parts["contour"]}


@SCHEMES
def test_lips_spread_by_less_than_nothing_of_their_gap_are_closed(scheme):
    shape = moves.moved(heads(scheme), {"mouth_open": 0.15}).shape
    moves.spread_lips(shape, -gaps(shape[0], scheme.lips)[None], scheme)
    assert gaps(shape[0], scheme.lips) == pytest.approx(0, abs=0.004)  # it was 0.15


def test_closing_is_the_way_back_of_opening():
    there = moves.moved(heads(), {"mouth_open": 0.2})
    back = moves.moved(there, {"mouth_open": -0.2})
    assert back.shape == pytest.approx(heads().shape, abs=1e-9)


@SCHEMES
def test_a_smile_widens_the_mouth_by_twice_its_value_and_lifts_the_corners(scheme):
    left, right = change(scheme, smile=0.05)[list(scheme.mouth_corners)]
    assert right[0] - left[0] == pytest.approx(0.1)
    assert (left[1], right[1]) == pytest.approx((-0.03, -0.03))


def test_a_look_aside_moves_the_pupils_alone():
    way, pupils = change(gaze_x=0.05, gaze_y=-0.02), list(WFLW98.pupils)
    assert way[pupils] == pytest.approx(np.tile((0.05, -0.02, 0), (2, 1)))
    assert not np.delete(way, pupils, axis=0).any()


def test_a_look_aside_of_a_face_without_pupils_changes_nothing():
    assert not change(IBUG68, gaze_x=0.05, gaze_y=-0.02).any()


def test_heads_are_not_changed_in_place():
    before = heads()
    values = dict.fromkeys((*moves.TURNS, *moves.SHAPES), 0.5)
    after = moves.moved(before, values)
    assert np.array_equal(before.shape, heads().shape) and np.array_equal(before.rotation, heads().rotation)
    assert not np.allclose(after.shape, before.shape)


def test_no_moves_leave_the_head_where_it_is():
    still = moves.moved(heads(yaw=10.0), {})
    assert still.rotation == pytest.approx(heads(yaw=10.0).rotation)
    assert np.array_equal(still.shape, heads().shape)


def test_an_unknown_move_is_one_sentence():
    with pytest.raises(ValueError, match="there is no move 'wink'; choose one of yaw, pitch, roll, mouth"):
        moves.moved(heads(), {"wink": 1.0, "yaw": 1.0})

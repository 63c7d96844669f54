"""Which frames of a clip show a face, and where each stretch of them starts."""

import numpy as np
import pytest
from made_tracks import SHAPE, blinking, tracked

from d2a_core.animation import stretches

NONE = stretches.NOBODY


def test_what_is_only_held_is_no_face_and_a_blink_of_the_tracker_is_one():
    table = tracked("hhffiifhhf")
    assert stretches.stretches(table).tolist() == [NONE, NONE, 0, 0, 0, 0, 0, NONE, NONE, 1]


def test_a_cut_begins_another_stretch():
    table = tracked("ffffhhff", "00112233")
    assert stretches.stretches(table).tolist() == [0, 0, 1, 1, NONE, NONE, 2, 2]


def test_a_clip_starts_from_its_first_frame_where_that_shows_a_face():
    assert stretches.first(tracked("ffffff")) == 0


def test_a_clip_starts_from_the_first_face_behind_black_frames():
    assert stretches.first(tracked("hhhhhhhhffffff")) == 8


def test_a_face_for_a_moment_on_a_title_card_starts_nothing_unless_there_is_no_other():
    assert stretches.first(tracked("fhhhfffff", "000011111")) == 4
    assert stretches.first(tracked("fhhff", "00011")) == 3


def test_a_start_looks_forward_with_its_eyes_open_and_was_found_for_sure():
    canonical = np.repeat(SHAPE[None], 6, axis=0).astype(np.float32)
    canonical[0] = blinking(SHAPE)
    angles = [[0, 0, 0], [50, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    table = tracked("fffiff", canonical=canonical, angles=angles, score=[1, 1, 0.5, 1, 1, 1])
    assert stretches.starts(table).tolist() == [4]


def test_where_no_frame_is_good_the_best_one_starts():
    table = tracked("ffffff", angles=[[70, 0, 0], [60, 0, 0], [40, 0, 0], [45, 0, 0], [50, 0, 0], [60, 0, 0]])
    assert stretches.starts(table).tolist() == [2]


def test_a_clip_without_a_face_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="no frame of the clip shows a face; choose"):
        stretches.first(tracked("hhhh"))


def test_a_change_fades_where_a_face_goes_within_a_shot_and_is_sharp_at_a_cut(monkeypatch):
    monkeypatch.setattr(stretches, "FADE", 1)
    shown = np.array([1, 1, 1, 0, 1, 1, 1, 1], bool)
    share = stretches.eased(shown, np.array([0, 0, 0, 0, 0, 0, 1, 1]))
    assert share.tolist() == [1, 1, 0.5, 0, 0.5, 1, 1, 1]


def test_a_clip_that_shows_its_face_throughout_is_changed_throughout():
    assert (stretches.eased(np.ones(3, bool), np.zeros(3)) == 1).all()

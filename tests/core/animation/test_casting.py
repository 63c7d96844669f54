"""Who is seen in which frames of a clip."""

import numpy as np
import pytest
from made_tracks import FACE, tracked

from d2a_core.animation import casting
from d2a_core.media.video_reading import Frame

QUAD = np.array([[0, 0], [0, 32], [32, 32], [32, 0]], np.float32)
ANNA, BEN = 40, 200  # gray levels by which people are told apart here


class Embedder:
    """Knows people by how bright they are: 0.6 apart from 60 gray levels on."""

    def embed(self, images, points):
        return images.mean(axis=(1, 2, 3), keepdims=True)[:, 0, 0] / 100


def clip(*levels):
    """A clip, of each frame its gray level, and what gives its frames by number."""
    frames = [Frame(n, n / 25, np.full((32, 32, 3), level, np.uint8)) for n, level in enumerate(levels)]
    return lambda rows: [frames[row] for row in sorted(rows)]


def inverted(face):
    level = face.mean()
    return np.full((1, 4, 6), level, np.float32), (FACE if level < 250 else np.full_like(FACE, np.nan))[None]


FIRST = np.full((1, 4, 6), ANNA, np.float32), FACE[None]


def of_clip(said, shot, *levels, first=FIRST):
    table = tracked(said, shot, quad=np.repeat(QUAD[None], len(said), axis=0))
    return casting.of_clip(table, clip(*levels), first, inverted, Embedder(), size=16)


def test_somebody_else_after_a_cut_has_a_code_of_their_own_and_a_known_face_the_one_it_has():
    cast = of_clip("ffffhhff", "00112233", ANNA, ANNA, BEN, BEN, 0, 0, ANNA + 5, ANNA + 5)
    assert cast.person.tolist() == [0, 0, 1, 1, -1, -1, 0, 0]
    assert cast.stretch.tolist() == [0, 0, 1, 1, -1, -1, 2, 2]
    assert cast.start.tolist() == [0, 2] and cast.rows.tolist() == [0, 1, 2, 3, 6, 7]
    codes, points = cast.faces()
    assert codes[:, 0, 0].numpy() == pytest.approx([ANNA, ANNA, BEN, BEN, ANNA, ANNA], abs=0.5)
    assert points.shape == (6, *FACE.shape)


def test_the_one_whom_the_clip_starts_from_is_the_first_though_another_was_seen_for_a_moment():
    cast = of_clip("fhfffff", "0011111", BEN, 0, ANNA, ANNA, ANNA, ANNA, ANNA)
    assert cast.person.tolist() == [1, -1, 0, 0, 0, 0, 0] and cast.start.tolist() == [2, 0]


def test_who_is_not_seen_in_what_their_code_shows_is_left_as_nobody():
    cast = of_clip("ffffff", "000111", ANNA, ANNA, ANNA, 255, 255, 255)
    assert cast.person.tolist() == [0, 0, 0, -1, -1, -1]


def test_a_face_is_of_the_person_it_is_nearest_to():
    person, known = casting.told_apart(np.array([[0.0], [1.0], [0.55], [0.45]]), first=1)
    assert person.tolist() == [1, 0, 0, 1] and known.tolist() == [1, 0]


def test_a_clip_of_whose_people_no_code_shows_a_face_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="no code shows a face of the clip; choose"):
        of_clip("ffff", "0000", *[ANNA] * 4, first=(FIRST[0], np.full_like(FIRST[1], np.nan)))

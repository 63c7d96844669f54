import numpy as np
import pyarrow
import pytest
from picture_world import EYES, FACES, WORLD

from d2a_core.evaluation import face_table


@pytest.fixture(scope="module")
def table():
    return pyarrow.table(face_table.look(FACES.items(), EYES))


def test_faces_are_known_by_the_path_of_their_picture(table):
    known = face_table.known(table)
    paths = list(FACES)
    assert known.rows([paths[5], paths[0]]).tolist() == [5, 0]
    np.testing.assert_allclose(known.seen.angles[:, 0], [0, 0, 0, 0, 20, 25, 30, 35])
    np.testing.assert_array_equal(
        known.embedding[:4], WORLD.embed(np.stack([*FACES.values()])[:4], np.zeros((4, 1, 2)))
    )


def test_the_mirror_image_of_a_face_is_the_same_person(table):
    known = face_table.known(table)
    np.testing.assert_array_equal(known.flipped, known.embedding)


def test_mirrored_landmarks_change_sides_and_twice_is_none(table):
    points = face_table.known(table).seen.points
    turned = face_table.mirror(points, WORLD)
    np.testing.assert_allclose(turned[:, 60], np.stack((1 - points[:, 72, 0], points[:, 72, 1]), axis=1))
    np.testing.assert_allclose(face_table.mirror(turned, WORLD), points, atol=1e-6)


def test_a_face_has_its_row_as_a_landmark_table(table):
    row = face_table.row_of(table, "t00002")
    assert row["yaw"].to_pylist() == [30] and not set(face_table.OWN) & set(row.column_names)


def test_the_second_detector_has_its_own_points_of_every_face(table):
    known = face_table.known(table)
    assert known.second.shape == (8, 68, 2)
    away = known.second[:, 0] - known.seen.points[:, 0]
    np.testing.assert_allclose(away[:, 0], 0.0005 * known.seen.angles[:, 0], atol=1e-6)

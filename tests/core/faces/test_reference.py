import numpy as np
import pyarrow
import pytest

from d2a_core.faces import alignment, identity, reference
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.store import arrays, tables


def _samples():
    """Five faces in a row, 0.01 apart, and one that was not found."""
    face = 0.5 + 0.2 * template_of(WFLW98)[None, :, :2]
    points = np.concatenate([face + [0.01 * step, 0] for step in (-2, -1, 0, 1, 2)] + [face * np.nan])
    found = np.array([True] * 5 + [False])
    columns = {"found": found, "points": tables.points_column(points.astype(np.float32))}
    return face, pyarrow.table(columns)


def test_the_typical_face_lies_in_the_middle_of_those_that_were_found(tmp_path):
    face, table = _samples()
    strangers = np.array([[1, 0], [0, 1]], np.float32)
    found = reference.measure(table, strangers)
    np.testing.assert_allclose(found.points, face, atol=1e-6)
    wanted = alignment.layout(face, WFLW98)
    np.testing.assert_allclose(found.layout.centre, wanted.centre, atol=1e-6)
    np.testing.assert_allclose(found.layout.axis, wanted.axis, atol=1e-6)
    arrays.write_zarr(tmp_path / "reference.zarr", reference.to_arrays(found), attributes={})
    again = reference.read(tmp_path / "reference.zarr")
    np.testing.assert_array_equal(again.points, found.points)
    np.testing.assert_array_equal(again.strangers, strangers)
    assert again.scheme is WFLW98


def test_strangers_are_compared_each_with_the_next_and_nobody_with_who_is_not_known():
    vectors = np.array([[2, 0], [0, 1], [0, 3], [np.nan, np.nan], [1, 0]])
    # square, alike, unknown, unknown, and the last with the first: alike
    assert identity.alike(vectors) == pytest.approx((0 + 1 + 1) / 3)

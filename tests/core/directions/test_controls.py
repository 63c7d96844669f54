import numpy as np
import pytest
from controlled_faces import FACE, LOWER, MOUTH, OPEN, OPTIONS, YAW, slope, store

from d2a_core.directions import controls
from d2a_core.faces import geometry
from d2a_core.faces.schemes import WFLW98


def test_a_control_changes_its_own_attribute_and_not_the_other(measured):
    middle = len(controls.MEASURED) // 2
    change = measured.response[:, middle + 1] - measured.response[:, middle - 1]
    slopes = change[:, [YAW, MOUTH]] / measured.deviation[[YAW, MOUTH]]
    assert abs(slopes[0, 1] / slopes[0, 0]) < 0.05 and abs(slopes[1, 0] / slopes[1, 1]) < 0.05


def test_the_table_of_purity_has_a_row_for_each_strength_and_attribute(measured, moves):
    columns = controls.purity(measured)
    assert len(columns["control"]) == 2 * len(controls.MEASURED) * 2
    text = controls.markdown(moves)
    rows = [line for line in text.splitlines() if line.startswith(("| yaw", "| mouth_open"))]
    assert [cells.split("|")[3].strip() for cells in rows][0] == "+1.00"


def test_the_progress_counts_what_is_looked_at(looker):
    class Counted:
        count = 0

        def advance(self, n, **figures):
            self.count += n

    made_on, measured_on = controls.faces(looker.generator, OPTIONS)
    counted = Counted()
    vector = controls.build(looker, store(), slope(), made_on, counted)
    controls.measure(looker, store(), vector, measured_on, counted)
    assert counted.count == controls.renders(store(), OPTIONS)


def test_geometry_of_the_world_is_what_the_tests_assume():
    points = (0.25 * FACE[None, :, :2] + [0.5, 0.4]).astype(np.float32)
    rest = geometry.attributes(points, FACE[None, :, :2], np.zeros((1, 3)), WFLW98)
    wide = FACE.copy()
    wide[LOWER, 1] += OPEN
    opened = geometry.attributes(points, wide[None, :, :2], np.zeros((1, 3)), WFLW98)
    assert opened["mouth_opening"] - rest["mouth_opening"] == pytest.approx(OPEN, rel=1e-4)


def test_the_shortest_step_raises_its_own_measure_alone():
    slope = np.array([[3.0, 4.0, 0.0], [0.0, 1.0, 1.0]])[:, None]
    step = controls.shortest(slope, ridge=0.0)
    np.testing.assert_allclose(np.einsum("cld,bld->cb", slope, step), np.eye(2), atol=1e-6)
    alone = controls.shortest(slope[:1], ridge=0.0)
    np.testing.assert_allclose(alone[0, 0], [0.12, 0.16, 0], atol=1e-6)  # (3, 4) / 25


def test_mixed_steps_undo_what_steps_do_to_one_another():
    effect = np.array(
        [[1.0, 0.5], [-0.2, 2.0]]
    )  # of the second step half a unit spills into the first measure
    mixed = controls.mix(effect, np.eye(2)[:, None], ridge=0.0)
    np.testing.assert_allclose(effect @ mixed.T, np.eye(2), atol=1e-6)


def test_a_ridge_makes_a_dear_step_shorter():
    effect = np.diag([1.0, 1.0])
    dear = np.array([[[1.0, 0.0]], [[0.0, 10.0]]])
    cheap, short = np.diag(controls.mix(effect, dear, ridge=0.1))
    assert 0.9 < cheap and short < cheap

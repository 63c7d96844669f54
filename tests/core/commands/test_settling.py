import numpy as np
import pytest

from d2a_core.commands.settling import Problem, settle

FREE = np.zeros((2, 2))
WIDE = np.array([[-10.0, -10.0], [10.0, 10.0]])
ANSWER = np.array([[0.5, 0.3], [-0.4, 1.5]])  # of a face, where a typical one answers with the unit matrix


def problem(asked, *, cost=FREE, bound=WIDE):
    return Problem(np.array(asked, float), np.ones(2), np.eye(2), cost, bound)


class Face:
    """Answers to strengths with a matrix; blind beyond a length of `limit`."""

    def __init__(self, answer, limit=np.inf):
        self.answer, self.limit, self.looks = answer, limit, 0

    def __call__(self, strength):
        self.looks += 1
        return None if np.linalg.norm(strength) > self.limit else self.answer @ strength


def test_a_typical_face_is_looked_at_once():
    face = Face(np.eye(2))
    found = settle(problem([2, 1]), np.array([2.0, 1.0]), face, rounds=6)
    assert face.looks == 1
    assert found.reached == pytest.approx([2, 1])


def test_what_is_asked_is_reached_on_a_face_that_answers_otherwise():
    found = settle(problem([2, 0]), np.array([2.0, 0.0]), Face(ANSWER), rounds=8)
    assert found.reached == pytest.approx([2, 0], abs=0.02)


def test_a_dear_step_ends_where_it_costs_as_much_as_it_gains():
    cost = np.diag([1.0, 1.0])  # (asked - s)² + s² is least at half of what is asked
    found = settle(problem([2, 0], cost=cost), np.array([2.0, 0.0]), Face(np.eye(2)), rounds=4)
    assert found.strength == pytest.approx([1, 0], abs=1e-6)


def test_a_face_that_does_not_answer_is_not_bent():
    deaf = Face(np.diag([0.02, 1.0]))
    found = settle(problem([2, 0], cost=0.05 * np.eye(2)), np.array([2.0, 0.0]), deaf, rounds=6)
    assert np.abs(found.strength).max() < 2.5  # alone the measure would ask for 100


def test_no_strength_leaves_what_was_measured():
    bound = np.array([[-1.0, -1.0], [1.0, 1.0]])
    found = settle(problem([5, 0], bound=bound), np.array([5.0, 0.0]), Face(np.eye(2)), rounds=4)
    assert found.strength == pytest.approx([1, 0])


def test_where_the_face_is_lost_less_is_tried():
    found = settle(problem([3, 0]), np.array([3.0, 0.0]), Face(np.eye(2), limit=2.0), rounds=6)
    assert 1 < found.reached[0] <= 2


def test_a_face_that_is_never_seen_settles_nowhere():
    assert settle(problem([3, 0]), np.array([3.0, 0.0]), Face(np.eye(2), limit=-1), rounds=4) is None


def test_the_best_look_is_kept_when_a_later_one_is_worse():
    def fickle(strength):
        return strength if strength[0] < 1.5 else -5 * strength

    found = settle(problem([2, 0]), np.array([1.0, 0.0]), fickle, rounds=2)
    assert found.reached[0] >= 1

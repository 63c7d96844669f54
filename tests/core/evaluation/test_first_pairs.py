import numpy as np
import pytest
import torch
from counting import Count
from linear_world import LinearWorld, TimidFan

from d2a_core.directions.ball import Ball
from d2a_core.evaluation import first_pairs, summary
from d2a_core.evaluation.held_out import HeldOut
from d2a_core.evaluation.instruments import Instruments
from d2a_core.faces.dlib_landmarks import as_68
from d2a_core.fan.closed_loop import Animator

PASSES = 1


class Everybody:
    """Embeds every face alike, and nothing where there is none."""

    name = "alike"

    def embed(self, images, points):
        vectors = np.ones((len(images), 2), np.float32)
        return np.where(np.isnan(points).any(axis=(1, 2))[:, None], np.nan, vectors)


class Second:
    """Agrees with the first detector."""

    name = "agrees"

    def points(self, images, faces):
        return as_68(faces)


def codes(*shifts):
    wplus = torch.zeros(len(shifts), 16, 512)
    wplus[..., 0] = torch.tensor(shifts)[:, None]
    return wplus


@pytest.fixture(scope="module")
def evaluated():
    world, count = LinearWorld(), Count()
    animator = Animator(
        world, world, TimidFan(0.5), Ball(torch.zeros(512), radius=100.0, reach=100.0), size=8
    )
    source, target = codes(0.0, 1.0), codes(4.0, 3.0)
    drawn = HeldOut(source, target, source, target, torch.zeros(2, 8, 512))
    scores, sheet = first_pairs.evaluate(
        animator, Instruments(world, Everybody(), Second()), drawn, passes=PASSES, progress=count
    )
    return scores, sheet, count


def test_ours_has_a_row_for_each_pair_and_pass_and_a_baseline_one_for_each_pair(evaluated):
    scores, _, count = evaluated
    assert scores["method"].to_pylist() == ["d2animator"] * 4 + [
        name for kind in ("source", "target", "noise") for name in [f"control-{kind}"] * 2
    ]
    assert scores["passes"].to_pylist() == [0, 0, 1, 1] + [-1] * 6
    assert count.done == first_pairs.renders(2, PASSES) == 2 * (2 + 2)


def test_every_pass_comes_nearer_and_a_wrong_method_lands_where_it_must(evaluated):
    scores, sheet, _ = evaluated
    rows = {(row["method"], row["passes"]): row for row in summary.summarise([scores], [])}
    still = rows["control-source", -1]["nme_inter_ocular"]
    open_loop, closed = (rows["d2animator", passes]["nme_inter_ocular"] for passes in (0, 1))
    assert rows["control-target", -1]["nme_inter_ocular"] == 0
    assert 0 < closed < open_loop < still
    assert rows["d2animator", 1]["nme_dlib"] == pytest.approx(closed, rel=0.1)
    assert sheet.shape[0] > 2 * 256 and sheet.shape[1] > 4 * 256

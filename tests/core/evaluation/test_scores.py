from dataclasses import dataclass, replace

import numpy as np
import pyarrow
import pytest

from d2a_core.evaluation import baselines, face_table, protocols, scores, summary
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98

TEMPLATE = template_of(WFLW98)[:, :2]
OUTER = np.linalg.norm(TEMPLATE[60] - TEMPLATE[72])


def _seen(points, angles=(0.0, 0.0, 0.0), canonical=None):
    points = np.asarray(points, np.float32)
    count = len(points)
    return Detections(
        points=points,
        score=np.ones(count, np.float32),
        found=~np.isnan(points).any(axis=(1, 2)),
        angles=np.tile(np.float32(angles), (count, 1)),
        canonical=np.asarray(points if canonical is None else canonical, np.float32),
    )


def test_nme_of_a_shifted_face_is_the_shift_by_every_normaliser():
    face = TEMPLATE[None] * 0.3 + 0.5
    errors = scores.landmark_errors(_seen(face + [0.03, 0.04]), _seen(face))
    box = np.sqrt(np.prod(np.ptp(face[0], axis=0)))
    pupils = np.linalg.norm(face[0, 96] - face[0, 97])
    for name in ("inter_ocular", *scores.PARTS):
        assert errors[f"nme_{name}"] == pytest.approx(0.05 / (0.3 * OUTER), rel=1e-4), name
    assert errors["nme_box"] == pytest.approx(0.05 / box, rel=1e-4)
    assert errors["nme_inter_pupil"] == pytest.approx(0.05 / pupils, rel=1e-4)
    assert errors["mouth_error"] == pytest.approx(0, abs=1e-5)
    assert errors["eye_error"] == pytest.approx(0, abs=1e-5)


def test_a_moved_part_is_the_error_of_that_part_alone():
    face = TEMPLATE[None].copy()
    moved = face.copy()
    moved[:, list(WFLW98.parts["mouth"]), 0] += 0.1 * OUTER
    errors = scores.landmark_errors(_seen(moved), _seen(face))
    assert errors["nme_mouth"] == pytest.approx(0.1, rel=1e-4)
    assert errors["nme_inter_ocular"] == pytest.approx(0.1 * 20 / 98, rel=1e-4)
    assert [errors[f"nme_{part}"].item() for part in ("contour", "brows", "eyes", "nose")] == [0, 0, 0, 0]


def test_turn_mouth_eyes_and_gaze_are_told_apart():
    face, changed = TEMPLATE[None].copy(), TEMPLATE[None].copy()
    changed[:, [93, 94, 95], 1] += 0.05
    changed[:, [96, 97], 0] += 0.02
    ours = _seen(face, angles=(12, -3, 1), canonical=changed)
    errors = scores.landmark_errors(ours, _seen(face, angles=(2, 1, 1)))
    assert errors["yaw_error"] == pytest.approx(10) and errors["pitch_error"] == pytest.approx(4)
    assert errors["roll_error"] == 0 and errors["eye_error"] == pytest.approx(0, abs=1e-6)
    assert errors["mouth_error"] == pytest.approx(0.05, abs=1e-5)
    assert errors["gaze_error"] == pytest.approx(0.02, abs=1e-5)


@dataclass
class World:
    """Pictures that are their person and pose: a detector and an embedder that read both off two pixels."""

    scheme = WFLW98
    name = "made-up"

    def picture(self, person, pose):
        image = np.zeros((64, 64, 3), np.uint8)
        image[0, 0, 0], image[:, :, 1] = person, pose
        return image

    def detect(self, images):
        pose = images[:, 5, 5, 1].astype(np.float32)
        points = np.tile(TEMPLATE[None] * 0.3 + 0.5, (len(images), 1, 1))
        points[..., 0] += 0.001 * pose[:, None]
        faceless = images[:, 5, 5, 2] > 0
        points[faceless] = np.nan
        seen = _seen(points)
        return replace(seen, angles=np.stack((pose, 0 * pose, 0 * pose), axis=1))

    def embed(self, images, points):
        person = np.maximum(images[:, 0, 0, 0], images[:, 0, -1, 0]).astype(np.float32)
        vector = np.stack((np.cos(person), np.sin(person)), axis=1)
        return np.where(np.isnan(points).any(axis=(1, 2))[:, None], np.nan, vector)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def faces(world):
    """Sources are persons 1 to 4 at rest, targets persons 11 to 14 turned."""
    made = {}
    for number in range(4):
        made[protocols.image_path("held-out", f"s{number:05d}")] = world.picture(1 + number, 0)
        made[protocols.image_path("held-out", f"t{number:05d}")] = world.picture(11 + number, 20 + 5 * number)
    return made


@pytest.fixture
def pairs():
    options = protocols.Options(pairs=4, sources=1, frames=1, finetuned=0, seed=0)
    columns = protocols.columns(protocols.draw({"held-out": 4}, [], options))
    return protocols.rows_of(pyarrow.table(columns), [protocols.CROSS])


def _scores(world, faces, pairs, find, method="ours"):
    known = face_table.known(pyarrow.table(face_table.look(faces.items(), world, world)))
    return scores.score_method(pairs, known, find, faces.get, world, world, method=method, passes=[0])


def test_wrong_methods_land_where_they_must(world, faces, pairs):
    rng = np.random.default_rng(0)

    def noise(pair, passes):
        return rng.integers(1, 256, (32, 32, 3), dtype=np.uint8)

    def ours(pair, passes):
        return world.picture(1 + protocols.number_of(pair["source"]), 18 + 5 * pair["pair"])

    methods = {
        "source": lambda pair, passes: faces[pair["source_image"]],
        "target": lambda pair, passes: faces[pair["target_image"]],
        "noise": noise,
        "ours": ours,
    }
    tables = [_scores(world, faces, pairs, find, method) for method, find in methods.items()]
    rows = {row["method"]: row for row in summary.summarise(tables, [])}
    strangers = rows["source"]["csim_strangers"]
    assert rows["source"]["csim"] == pytest.approx(1) and rows["source"]["csim_same"] == pytest.approx(1)
    assert rows["target"]["nme_inter_ocular"] == 0 and rows["target"]["yaw_error"] == 0
    assert rows["target"]["csim"] == pytest.approx(strangers)
    assert strangers < 0.9
    assert rows["noise"]["found"] == 0 and np.isnan(rows["noise"]["nme_inter_ocular"])
    assert 0 < rows["ours"]["nme_inter_ocular"] < 0.2 * rows["source"]["nme_inter_ocular"]
    assert rows["source"]["yaw_error"] == pytest.approx(27.5)


def test_missing_pictures_are_counted_and_other_sizes_are_scored(world, faces, pairs):
    def some(pair, passes):
        if pair["pair"] == 1:
            return None
        picture = faces[pair["source_image"]]
        return np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1) if pair["pair"] == 2 else picture

    table = _scores(world, faces, pairs, some)
    (row,) = summary.summarise([table], [])
    assert (row["pairs"], row["missing"], row["found"]) == (4, 1, 3)
    assert row["csim"] == pytest.approx(1)


def test_intervals_resample_sources_and_hold_the_mean():
    values = np.array([1.0, 1.0, 1.0, 5.0])
    alone = summary.interval(values, np.array(["a", "b", "c", "d"]))
    together = summary.interval(values, np.array(["a", "a", "a", "d"]))
    assert alone[0] <= 2 <= alone[1]
    assert together == (1.0, 5.0)  # two sources: one of them twice, now and then
    assert alone[1] < 5
    normal = np.random.default_rng(0).normal(size=400)
    low, high = summary.interval(normal, np.arange(400).astype(str))
    half = 1.96 * normal.std() / 20
    assert (low, high) == pytest.approx((normal.mean() - half, normal.mean() + half), abs=0.015)


def test_a_comparison_is_paired(world, faces, pairs):
    def late(delay):
        return lambda pair, passes: world.picture(
            1 + protocols.number_of(pair["source"]), 20 + 5 * pair["pair"] - delay
        )

    one, other = (_scores(world, faces, pairs, late(delay)) for delay in (4, 2))
    change = summary.compare(one, other)
    per_degree = 0.001 / (0.3 * OUTER)
    assert change["nme_difference"] == pytest.approx(2 * per_degree, rel=1e-3)
    assert change["nme_difference_low"] == pytest.approx(change["nme_difference_high"], abs=1e-6)
    assert change["csim_difference"] == pytest.approx(0, abs=1e-6)


def test_table_2_has_the_main_method_first_on_the_pairs_of_each_protocol(world, faces, pairs):
    other = [pair | {"protocol": protocols.FINETUNING} for pair in pairs]
    source = lambda pair, passes: faces[pair["source_image"]]  # noqa: E731
    tables = {
        name: _scores(world, faces, rows, source, name)
        for name, rows in {"d2animator": pairs, "sefa": pairs, "untuned": other, "finetuned": other}.items()
    }
    trained = dict.fromkeys(tables, {"faces": 5, "pair_renders": 7})
    mains, others = [tables["d2animator"], tables["untuned"]], [tables["sefa"], tables["finetuned"]]
    rows = summary.ablation_rows(mains, others, trained)
    assert [row["method"] for row in rows] == ["d2animator", "sefa", "untuned", "finetuned"]
    assert all(row["nme_difference"] == 0 and row["faces"] == 5 for row in rows)


def test_controls_are_the_source_the_target_and_noise():
    source, target = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 9, np.uint8)
    assert baselines.control("source", source, target, seed=0) is source
    assert baselines.control("target", source, target, seed=0) is target
    noise = baselines.control("noise", source, target, seed=0)
    assert 120 < noise.mean() < 135 and not np.array_equal(
        noise, baselines.control("noise", source, target, seed=1)
    )

import numpy as np
import pytest

from d2a_core.directions.samples import join
from d2a_core.faces import landmarks
from d2a_core.store import tables


def test_a_batch_gives_what_single_images_give(detector, portrait):
    images = np.stack([portrait, portrait[:, ::-1], np.full_like(portrait, 80)])
    whole = detector.detect(images)
    single = landmarks.detect(images, detector, batch=1)
    assert np.allclose(whole.points, single.points, atol=1e-4, equal_nan=True)
    assert whole.found.tolist() == single.found.tolist() == [True, True, False]


def test_a_table_without_faces_flows_on_and_joining_keeps_only_faces(detector, portrait, tmp_path):
    seen = detector.detect(np.stack([portrait, np.full_like(portrait, 80)]))
    path = tmp_path / "table.parquet"
    tables.write_parquet(landmarks.table(seen, sample_id=[4, 5]), path, metadata={})
    latents = {"sample_id": np.array([4, 5]), "w": np.arange(8, dtype=np.float32).reshape(2, 4)}
    faces = join(latents, tables.read_parquet(path))
    assert faces.sample_id.tolist() == [4] and faces.w.tolist() == [[0, 1, 2, 3]]
    assert faces.points == pytest.approx(seen.points[:1])
    assert np.isfinite(faces.attributes["eye_opening"]).all()
    latents["sample_id"] = np.array([5, 4])
    with pytest.raises(ValueError, match="hold different samples"):
        join(latents, tables.read_parquet(path))


def test_a_picture_that_must_show_a_face_and_does_not_is_named(detector):
    with pytest.raises(ValueError, match="no face found on wall.png; give a picture that shows one"):
        landmarks.the_face(detector, np.full((256, 256, 3), 128, np.uint8), "wall.png")


def test_some_of_the_images_have_their_own_rows():
    count = np.arange(4)
    points = np.broadcast_to(count[:, None, None], (4, 98, 2)).astype(np.float32)
    seen = landmarks.Detections(points, 0.1 * count, count > 1, points[:, :3, 0], points + 1)
    for chosen in ([3, 1], count % 2 == 1):
        some = seen.rows(chosen)
        order = count[chosen]
        assert some.points[:, 0, 0].tolist() == some.angles[:, 0].tolist() == order.tolist()
        assert some.canonical[:, 0, 0].tolist() == (order + 1).tolist()
        assert some.score == pytest.approx(0.1 * order) and some.found.tolist() == (order > 1).tolist()

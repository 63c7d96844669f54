import numpy as np
import pytest

from d2a_core.directions.samples import join
from d2a_core.faces import detectors, facemesh, landmarks, mediapipe
from d2a_core.faces.geometry import normalized_mean_error
from d2a_core.faces.schemes import IBUG68, WFLW98
from d2a_core.store import tables

FFHQ = landmarks.Options(detector="facemesh", min_score=0.5, box="ffhq", weights=None)
SEARCH = landmarks.Options(detector="facemesh", min_score=0.5, box="detect", weights=None)


@pytest.fixture(scope="module")
def detector(assets):
    return detectors.load_detector(SEARCH, assets / "mediapipe-face", device="cpu", threads=1)


@pytest.fixture(scope="module")
def astronaut():
    from skimage.data import astronaut

    return astronaut()


def test_a_photograph_has_its_face_where_it_is(detector, astronaut):
    found = detector.detect(astronaut[None])
    assert found.found.tolist() == [True] and found.score[0] > 0.9
    x, y = found.points[0].T
    assert 0.3 < x.min() and x.max() < 0.58 and 0.08 < y.min() and y.max() < 0.45  # her face
    assert x[60] < x[64] < x[68] < x[72]  # eye corners from left to right
    assert y.argmax() == 16  # the chin is lowest
    assert x[33] == x[33:51].min() and x[46] == x[33:51].max()  # brow tips
    assert y[[96, 97]].max() < y[54] < y[[76, 82]].min()  # eyes, nose, mouth


def test_a_mirrored_photograph_has_mirrored_points(detector, astronaut):
    plain = detector.detect(astronaut[None]).points
    mirrored = detector.detect(np.ascontiguousarray(astronaut[None, :, ::-1])).points
    back = mirrored[:, list(WFLW98.mirror)] * [-1, 1] + [1, 0]
    assert normalized_mean_error(back, plain)[0] < 0.015


def test_a_tilted_photograph_is_tilted_by_its_angle(detector, astronaut):
    from skimage.transform import rotate

    centre = (225, 115)  # of her face
    tilted = (rotate(astronaut, -15, center=centre) * 255).astype(np.uint8)  # clockwise
    plain, turned = (detector.detect(image[None]).angles[0] for image in (astronaut, tilted))
    assert turned[2] - plain[2] == pytest.approx(15, abs=2)
    assert abs(turned[0] - plain[0]) < 4


def test_a_small_face_in_a_wide_image_is_found_at_its_place(detector, astronaut):
    wide = np.full((400, 900, 3), 90, np.uint8)
    small = astronaut[:256, 96:352][::2, ::2]
    wide[200:328, 600:728] = small
    points = detector.detect(wide[None]).points[0] * [900, 400]
    expected = detector.detect(astronaut[None]).points[0] * 512
    expected = (expected - [96, 0]) / 2 + [600, 200]
    ocular = np.linalg.norm(expected[60] - expected[72])
    assert np.linalg.norm(points - expected, axis=1).mean() / ocular < 0.05


@pytest.mark.parametrize("options", [FFHQ, SEARCH], ids=["ffhq", "detect"])
@pytest.mark.parametrize("kind", ["grey", "noise"])
def test_an_image_without_a_face_is_not_found(assets, options, kind):
    detector = detectors.load_detector(options, assets / "mediapipe-face", device="cpu", threads=1)
    noise = np.random.default_rng(0).integers(0, 256, (1, 200, 320, 3)).astype(np.uint8)
    seen = detector.detect(np.full_like(noise, 128) if kind == "grey" else noise)
    assert seen.found.tolist() == [False]
    assert np.isnan(seen.points).all() and np.isnan(seen.angles).all()


def test_a_batch_gives_what_single_images_give(detector, astronaut):
    images = np.stack([astronaut, astronaut[:, ::-1], np.full_like(astronaut, 80)])
    whole = detector.detect(images)
    single = landmarks.detect(images, detector, batch=1)
    assert np.allclose(whole.points, single.points, atol=1e-4, equal_nan=True)
    assert whole.found.tolist() == single.found.tolist() == [True, True, False]


def test_resampling_an_arc_gives_equal_steps_and_keeps_its_ends():
    line = np.array([[[0.0, 0, 0], [1, 0, 0], [1, 3, 0]]])
    points = facemesh.resample(line, 5)[0]
    assert points[:, :2].tolist() == [[0, 0], [1, 0], [1, 1], [1, 2], [1, 3]]


def test_mapping_has_98_points_and_mirrors_with_the_mesh():
    assert 33 + len(facemesh.VERTICES) + 2 == WFLW98.size
    assert len(set(facemesh.VERTICES)) == len(facemesh.VERTICES)
    assert len(facemesh.LEFT_JAW) == len(facemesh.RIGHT_JAW)


def test_a_crop_and_its_inverse_meet():
    import torch

    image = torch.zeros(1, 3, 100, 120)
    image[:, :, 40, 70] = 1
    region = np.array([[66.0, 44.0, 30.0, 0.3]])
    cut = mediapipe.crop(image, region, 60)[0, :, :, 0]
    row, column = np.unravel_index(cut.argmax(), cut.shape)
    local = np.array([[[column + 0.5, row + 0.5, 0.0]]], np.float32)
    assert mediapipe.back_to_image(local, region, 60)[0, 0, :2] == pytest.approx([70.5, 40.5], abs=0.6)


def test_anchors_are_the_896_cells_of_the_detector():
    anchors = mediapipe.anchors()
    assert anchors.shape == (896, 2)
    assert anchors[0].tolist() == [8 / 256, 8 / 256] and anchors[-1].tolist() == [
        240 / 256,
        240 / 256,
    ]


def test_a_table_without_faces_flows_on_and_joining_keeps_only_faces(detector, astronaut, tmp_path):
    seen = detector.detect(np.stack([astronaut, np.full_like(astronaut, 80)]))
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"detector": "dlib"}, "'dlib'; choose 'facemesh' or 'face-alignment'"),
        ({"box": "middle"}, "'middle'; choose 'ffhq' or 'detect'"),
    ],
)
def test_unknown_settings_name_the_known_ones(assets, change, words):
    options = landmarks.Options(**{**FFHQ.__dict__, **change})
    with pytest.raises(ValueError, match=words):
        detectors.load_detector(options, assets / "mediapipe-face", device="cpu", threads=1)


@pytest.fixture
def heatmap_network(tmp_path):
    """TorchScript of 2DFAN's signature: [N, 3, 256, 256] → [N, 68, 64, 64], peaks at known cells."""
    import torch

    class Peaks(torch.nn.Module):
        def __init__(self):
            super().__init__()
            maps = torch.zeros(1, 68, 64, 64)
            for index in range(68):
                maps[0, index, 10 + index // 10 * 4, 8 + index % 10 * 4] = 1
            self.register_buffer("maps", maps)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.maps.repeat(images.shape[0], 1, 1, 1)

    path = tmp_path / "2dfan.pt"
    torch.jit.script(Peaks()).save(str(path))
    return path


def test_face_alignment_points_lie_where_its_heatmaps_peak(heatmap_network, tmp_path):
    options = landmarks.Options("face-alignment", 0.5, "ffhq", str(heatmap_network))
    detector = detectors.load_detector(options, tmp_path, device="cpu", threads=1)
    seen = detector.detect(np.zeros((2, 256, 256, 3), np.uint8))
    assert detector.scheme is IBUG68 and seen.points.shape == (2, 68, 2) and seen.found.all()
    steps = np.diff(seen.points[0, :10], axis=0)
    pixel = 1 / 256  # the package rounds to whole pixels
    assert steps[:, 0] == pytest.approx(steps[:, 0].mean(), abs=1.01 * pixel)  # a row of peaks
    assert steps[:, 0].mean() > 10 * pixel
    assert steps[:, 1] == pytest.approx(0, abs=1e-6)
    down = seen.points[0, 10] - seen.points[0, 0]
    assert down == pytest.approx(
        [0, steps[:, 0].mean()], abs=1.01 * pixel
    )  # four cells down as four cells right
    assert np.isfinite(seen.angles).all() and seen.canonical.shape == (2, 68, 2)


def test_68_point_pose_is_that_of_the_turned_mean_face():
    from d2a_core.faces.face_alignment_68 import with_depth
    from d2a_core.faces.geometry import head_pose, rotation_matrix
    from d2a_core.faces.mean_face import template_of

    template = template_of(IBUG68)
    for angles in [(20, 0, 0), (0, -15, 0), (-15, 10, 5)]:
        turned = (90 * template @ rotation_matrix(*angles).T)[None] + 100
        found, canonical = head_pose(with_depth(turned[..., :2]), template, IBUG68.rigid)
        assert found[0] == pytest.approx(angles, abs=0.1)
        assert canonical[0] == pytest.approx(template[:, :2], abs=2e-3)


def test_missing_68_point_weights_name_the_file_and_its_place(tmp_path, monkeypatch):
    import torch
    from face_alignment import api

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    closed = dict.fromkeys(api.models_urls, "http://127.0.0.1:9/2DFAN4-11f355bf06.pth.tar")
    monkeypatch.setattr(api, "models_urls", closed)
    options = landmarks.Options("face-alignment", 0.5, "ffhq", None)
    with pytest.raises(ValueError, match=r"put the file 2DFAN4-11f355bf06.pth.tar at .*checkpoints"):
        detectors.load_detector(options, tmp_path, device="cpu", threads=1)


@pytest.mark.parametrize("content", [None, b"no torchscript"])
def test_bad_68_point_weights_are_one_sentence(tmp_path, content):
    path = tmp_path / "weights.pt"
    if content:
        path.write_bytes(content)
    options = landmarks.Options("face-alignment", 0.5, "ffhq", str(path))
    with pytest.raises(ValueError, match="weights.pt"):
        detectors.load_detector(options, tmp_path, device="cpu", threads=1)


def test_a_picture_that_must_show_a_face_and_does_not_is_named(detector):
    with pytest.raises(ValueError, match="no face found on wall.png; give a picture that shows one"):
        landmarks.the_face(detector, np.full((256, 256, 3), 128, np.uint8), "wall.png")

import hashlib

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import data, transform

from d2a_core.faces import arcface, identity
from d2a_core.faces.schemes import IBUG68, WFLW98

onnx = pytest.importorskip("onnx")

# five points of the astronaut in px, from the image's edge: eyes, nose tip, mouth corners
CORNERS = np.array(((205.0, 114.0), (247.0, 110.0), (230.0, 140.0), (209.0, 160.0), (247.0, 157.0)))


def landmarks(scheme, corners=CORNERS, sides=(512, 512)):
    """Landmarks [P, 2] in fractions whose five points are `corners`; the others lie on the nose."""
    points = np.tile(corners[2], (scheme.size, 1))
    points[list(scheme.left_eye)], points[list(scheme.right_eye)] = corners[0], corners[1]
    points[scheme.mouth_corners[0]], points[scheme.mouth_corners[1]] = corners[3], corners[4]
    return points / sides


def model(path, *, shape=("N", 3, 112, 112), rank=2, outputs=1, normalises=False):
    """A small random convolutional network [N, 3, 112, 112] → [N, 32]."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    filters = rng.standard_normal((8, 3, 7, 7)) / 12
    constants = {
        "filters": filters - filters.mean(axis=(1, 2, 3), keepdims=True),
        "dense": rng.standard_normal((8 * 7 * 7, 32)) / 20,
        "half": np.array(127.5),
        "inverse": np.array(1 / 127.5),
    }
    nodes = [
        helper.make_node("Conv", ["pixels", "filters"], ["maps"], strides=[4, 4], pads=[2, 2, 1, 1]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("AveragePool", ["active"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["embedding"]),
    ]
    if normalises:
        nodes[0].input[0] = "scaled"
        nodes[:0] = [
            helper.make_node("Sub", ["pixels", "half"], ["centred"]),
            helper.make_node("Mul", ["centred", "inverse"], ["scaled"]),
        ]
    gives = ["embedding", "flat"][:outputs] if rank == 2 else ["pooled"]
    graph = helper.make_graph(
        nodes,
        "recognition",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in gives],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    return identity.load_embedder("arcface", model(tmp_path_factory.mktemp("model") / "random.onnx"))


def cosine(first, second):
    return identity.cosine_similarity(first, second)[0]


def test_similarity_of_a_turned_scaled_and_shifted_template_undoes_it():
    turn = 1.7 * np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    points = arcface.TEMPLATE @ turn.T + (30, -8)
    found = arcface.similarity(points, arcface.TEMPLATE)
    assert found[:, :2] @ turn == pytest.approx(np.eye(2), abs=1e-12)
    assert points @ found[:, :2].T + found[:, 2] == pytest.approx(arcface.TEMPLATE, abs=1e-9)


def test_similarity_of_other_points_is_the_least_squares_one():
    rng = np.random.default_rng(0)
    for _ in range(20):
        source, target = arcface.TEMPLATE + 5 * rng.standard_normal((2, 5, 2))
        expected = transform.estimate_transform("similarity", source, target).params[:2]
        assert arcface.similarity(source, target) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scheme", [WFLW98, IBUG68])
def test_five_points_are_eyes_nose_and_mouth_of_both_schemes(scheme):
    assert arcface.five_points(landmarks(scheme) * 512) == pytest.approx(CORNERS)


@pytest.mark.parametrize("scale", [0.9, 3.0])
def test_alignment_puts_the_five_points_onto_the_template(scale):
    turn = scale * np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    corners = (arcface.TEMPLATE + 0.5) @ turn.T + (40, 20)
    placed = arcface.similarity(corners, arcface.TEMPLATE + 0.5)
    assert corners @ placed[:, :2].T + placed[:, 2] == pytest.approx(arcface.TEMPLATE + 0.5, abs=1e-3)
    image = np.zeros((480, 480, 3), np.uint8)
    for x, y in corners:  # a blot on each
        grid = np.indices((480, 480)) + 0.5
        blot = 255 * np.exp(-((grid[1] - x) ** 2 + (grid[0] - y) ** 2) / (2 * (4 * scale) ** 2))
        image = np.maximum(image, blot.astype(np.uint8)[..., None])
    chip = arcface.align(image, corners)[..., 0].astype(float)
    for x, y in arcface.TEMPLATE:
        patch = (slice(round(y) - 6, round(y) + 7), slice(round(x) - 6, round(x) + 7))
        centre = ndimage.center_of_mass(np.where(chip[patch] > 60, chip[patch], 0))
        assert centre == pytest.approx((y - round(y) + 6, x - round(x) + 6), abs=0.15)


def test_embedding_has_unit_length_and_a_name_that_tells_the_file(embedder, tmp_path):
    found = embedder.embed(data.astronaut()[None], landmarks(WFLW98)[None])
    assert found.shape == (1, 32) and found.dtype == np.float32
    digest = hashlib.sha256(model(tmp_path / "random.onnx").read_bytes()).hexdigest()
    assert embedder.name == f"ArcFace random.onnx {digest[:8]}"


def test_embedding_of_a_mirrored_photo_is_the_same(embedder):
    image, points = data.astronaut(), landmarks(WFLW98)
    mirrored = ((1, 0) + points * (-1, 1))[list(WFLW98.mirror)]
    found = embedder.embed(np.stack((image, image[:, ::-1])), np.stack((points, mirrored)))
    assert cosine(found[:1], found[1:]) > 0.98


@pytest.mark.parametrize(
    ("angle", "scale", "shift"), [(0, 1, 40.5), (25, 1, 0), (-10, 2.4, 7), (15, 0.8, -20)]
)
def test_embedding_of_a_moved_turned_or_scaled_photo_is_the_same(embedder, angle, scale, shift):
    image, points = data.astronaut()[:400, 60:460], CORNERS - (60, 0)
    angle = np.radians(angle)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    side = round(400 * scale)
    offset = np.array((side / 2 + shift, side / 2)) - turn @ (points.mean(axis=0))
    back = np.linalg.inv(turn)
    rows = np.column_stack((back, -back @ offset)).ravel().tolist()
    moved = Image.fromarray(image).transform(
        (side, side), Image.Transform.AFFINE, rows, Image.Resampling.BICUBIC
    )
    first = embedder.embed(image[None], landmarks(IBUG68, points, (400, 400))[None])
    second = embedder.embed(
        np.asarray(moved)[None], landmarks(IBUG68, points @ turn.T + offset, (side, side))[None]
    )
    assert cosine(first, second) > 0.95
    noise = np.random.default_rng(0).integers(0, 256, (1, 400, 400, 3), dtype=np.uint8)
    assert cosine(first, embedder.embed(noise, landmarks(IBUG68, points, (400, 400))[None])) < 0.8


def test_no_face_has_no_identity(embedder):
    points = np.stack((landmarks(WFLW98), np.full((98, 2), np.nan)))
    found = embedder.embed(np.stack([data.astronaut()] * 2), points)
    assert np.isnan(found).all(axis=1).tolist() == [False, True]


def test_pixels_are_brought_to_unit_range_once(embedder, tmp_path):
    image, points = data.astronaut()[None], landmarks(WFLW98)[None]
    other = arcface.Embedder(model(tmp_path / "inside.onnx", normalises=True))
    assert other.embed(image, points) == pytest.approx(embedder.embed(image, points), abs=1e-4)


def test_a_fixed_batch_of_one_is_fine(embedder, tmp_path):
    image, points = data.astronaut()[None], landmarks(WFLW98)[None]
    other = arcface.Embedder(model(tmp_path / "one.onnx", shape=(1, 3, 112, 112)))
    assert other.embed(image, points) == pytest.approx(embedder.embed(image, points), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"shape": ("N", 3, 160, 160), "rank": 4}, r"takes .*160.* instead of one input \[N,3,112,112\]"),
        ({"rank": 4}, r"gives .* instead of one embedding \[N,D\]"),
        ({"outputs": 2}, r"gives .* instead of one embedding \[N,D\]"),
    ],
)
def test_another_network_is_refused_in_one_sentence(tmp_path, changes, pattern):
    path = model(tmp_path / "other.onnx", **changes)
    with pytest.raises(ValueError, match=pattern) as caught:
        arcface.Embedder(path)
    assert "\n" not in str(caught.value) and "insightface" in str(caught.value)


def test_files_that_are_no_models_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "other.onnx"
    with pytest.raises(ValueError, match="there is no file .*other.onnx; give an .onnx recognition model"):
        arcface.Embedder(path)
    path.write_text("<html>not found</html>")
    with pytest.raises(ValueError, match="other.onnx cannot be read as an ONNX model; give an"):
        arcface.Embedder(path)


def test_unknown_back_end_lists_the_known(tmp_path):
    with pytest.raises(ValueError, match="unknown identity back end 'facenet'; choose 'dlib' or 'arcface'"):
        identity.load_embedder("facenet", tmp_path)

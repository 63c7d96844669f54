import dlib
import numpy as np
import pytest

from d2a_core.faces import detectors, dlib_identity, face_resnet, identity, landmarks


def test_cosine_of_parallel_and_orthogonal_rows():
    a = np.array([[1.0, 0], [1, 0], [1, 1]])
    b = np.array([[2.0, 0], [0, 3], [1, 0]])
    assert identity.cosine_similarity(a, b) == pytest.approx([1, 0, np.sqrt(0.5)])


def test_a_person_is_closer_to_herself_than_to_a_stranger(assets):
    from PIL import Image
    from skimage import data

    options = landmarks.Options(detector="facemesh", min_score=0.5, box="detect", weights=None)
    detector = detectors.load_detector(options, assets / "mediapipe-face", device="cpu", threads=1)
    embedder = dlib_identity.DlibEmbedder(assets / "dlib-face")
    astronaut = data.astronaut()
    smaller = np.asarray(Image.fromarray(astronaut[:300, 60:400]).resize((272, 240)))
    coins = np.zeros_like(astronaut)
    images = [astronaut, np.ascontiguousarray(smaller[:, ::-1]), coins]
    vectors = [embedder.embed(image[None], detector.detect(image[None]).points) for image in images]
    assert np.linalg.norm(vectors[0]) == pytest.approx(np.linalg.norm(vectors[1]), rel=0.1)
    assert np.linalg.norm(vectors[0] - vectors[1]) < 0.6  # dlib's own bound for one person
    assert np.isnan(vectors[2]).all()  # no face, no identity
    assert np.abs(vectors[0][0] - _by_dlib(astronaut, detector, assets)).max() < 1e-5


def _by_dlib(image, detector, assets):
    """The embedding by dlib alone, of corners in whole pixels as it takes them."""
    corners = detector.detect(image[None]).points[0][list(dlib_identity.five_points(detector.scheme))]
    places = [dlib.point(*(round(float(v)) for v in place * image.shape[1::-1])) for place in corners]
    shape = dlib.full_object_detection(dlib.rectangle(0, 0, 511, 511), dlib.points(places))
    network = dlib.face_recognition_model_v1(str(assets / "dlib-face" / face_resnet.FILE))
    return np.array(network.compute_face_descriptor(dlib.get_face_chip(image, shape, size=150, padding=0.25)))


def test_embedding_of_a_mirrored_or_moved_photo_is_the_same(assets):
    from skimage import data

    options = landmarks.Options(detector="facemesh", min_score=0.5, box="detect", weights=None)
    detector = detectors.load_detector(options, assets / "mediapipe-face", device="cpu", threads=1)
    embedder = identity.load_embedder("dlib", assets / "dlib-face")
    assert embedder.name == "dlib ResNet 128-d"
    image = data.astronaut()[None]
    points = detector.detect(image).points
    vectors = embedder.embed(image, points)
    mirrored = ((1, 0) + points * (-1, 1))[:, list(detector.scheme.mirror)]
    same = identity.cosine_similarity(
        vectors, embedder.embed(np.ascontiguousarray(image[:, :, ::-1]), mirrored)
    )
    assert same > 0.98
    moved = np.pad(image, ((0, 0), (100, 0), (0, 100), (0, 0)))  # 100 px down
    same = identity.cosine_similarity(vectors, embedder.embed(moved, (points * 512 + (0, 100)) / 612))
    assert same > 0.999

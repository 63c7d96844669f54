import numpy as np
import pytest
import torch
from skimage import data

from d2a_core.faces import detectors, dlib_identity, face_resnet, landmarks

MODEL = "dlib_face_recognition_resnet_model_v1.dat"


@pytest.fixture(scope="module")
def network(assets):
    torch.set_num_threads(2)
    return face_resnet.load(assets / "dlib-face" / MODEL)


def _tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()


def test_port_equals_the_original(network, assets):
    import dlib

    original = dlib.face_recognition_model_v1(str(assets / "dlib-face" / MODEL))
    noise = np.random.default_rng(0).integers(0, 255, (150, 150, 3), dtype=np.uint8)
    for chip in (np.ascontiguousarray(data.astronaut()[50:200, 150:300]), noise):
        maps, embedding = network(_tensor(chip))
        expected = np.array(original.compute_face_descriptor(chip))
        assert np.abs(embedding[0].numpy() - expected).max() <= 1e-5
    assert [tuple(each.shape[1:]) for each in maps] == [(32, 35, 35), (64, 17, 17), (128, 8, 8), (256, 4, 4)]


def test_chips_give_the_identity_of_the_original_chips(network, assets):
    import dlib

    image = data.astronaut()
    options = landmarks.Options(detector="facemesh", min_score=0.5, box="detect", weights=None)
    detector = detectors.load_detector(options, assets / "mediapipe-face", device="cpu", threads=1)
    corners = detector.detect(image[None]).points[0][list(dlib_identity.five_points(detector.scheme))]
    points = [dlib.point(*(round(float(v)) for v in point)) for point in corners * 512]
    shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), dlib.points(points))
    expected = network(_tensor(dlib.get_face_chip(image, shape, size=150, padding=0.25)))[1]
    ours = network(face_resnet.chips(_tensor(image), torch.from_numpy(corners)))[1]
    shifted = network(face_resnet.chips(_tensor(image), torch.from_numpy(corners) + 0.03))[1]
    assert (ours - expected).norm() < 0.15  # another person is 0.6 away; half a pixel apart
    assert (ours - expected).norm() < (shifted - expected).norm() / 2


def test_features_have_gradients_in_the_whole_chip(network):
    image = torch.rand(1, 3, 150, 150, generator=torch.Generator().manual_seed(0)) * 255
    image.requires_grad_()
    maps, embedding = network(image)
    (sum(each.sum() for each in maps) + embedding.sum()).backward()
    # without padding, strides leave three pixels at the far edges unseen
    assert (image.grad.abs().sum(dim=1) > 0)[0, :147, :147].all()


def test_gradients_have_the_same_bits_every_time(network):
    chip = torch.rand(1, 3, 150, 150, generator=torch.Generator().manual_seed(0)) * 255

    def gradient():
        image = chip.clone().requires_grad_()
        network(image)[1].square().sum().backward()
        return image.grad

    first = gradient()
    assert all(torch.equal(gradient(), first) for _ in range(200))


def test_another_file_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "other.dat").write_bytes(b"\x01\x05con_4 and little else")
    with pytest.raises(ValueError, match="run `d2a fetch dlib-face`"):
        face_resnet.load(tmp_path / "other.dat")

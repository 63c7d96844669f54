"""Networks of TensorFlow Lite on PyTorch, against OpenVINO, which reads the same files."""

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13

from d2a_core.faces import tflite_network

MODELS = {"face_landmark": 192, "iris_landmark": 64}  # and the side of what they see


def _by_openvino(path, images):
    """Outputs [N, K] of images float32 [N, H, W, C], one at a time."""
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    rows = [[value.ravel() for value in compiled(image[None]).values()] for image in images]
    return [np.stack(output) for output in zip(*rows, strict=True)]


def _normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.fixture
def every_node(tmp_path):
    """A model with every kind of node that is translated, strides and paddings of an even and an odd side."""
    rng = np.random.default_rng(0)
    images = opset13.parameter([1, 8, 7, 3], np.float32)
    x = opset13.transpose(images, [0, 3, 1, 2])
    x = opset13.convolution(x, _normal(rng, 4, 3, 3, 3), [2, 2], [0, 0], [0, 0], [1, 1], "same_upper")
    shared = x = opset13.add(opset13.prelu(x, _normal(rng, 1, 4, 1, 1)), _normal(rng, 1, 4, 1, 1))
    x = opset13.group_convolution(
        x, _normal(rng, 4, 1, 1, 2, 2), [1, 1], [0, 0], [0, 0], [1, 1], "same_upper"
    )
    biased = opset13.add(x, _normal(rng, 1, 4, 1, 1))
    x = opset13.add(opset13.add(x, biased), shared)  # the convolution is read twice: it cannot take the bias
    x = opset13.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    x = opset13.pad(x, [0, 0, 0, 0], [0, 2, 0, 0], "constant", np.float32(0.5))
    x = opset13.reshape(opset13.transpose(x, [0, 2, 3, 1]), [1, -1], False)
    path = tmp_path / "every_node.xml"
    openvino.save_model(openvino.Model([x, biased], [images]), path, compress_to_fp16=False)
    return path


def test_every_node_gives_what_it_gives_in_openvino(every_node):
    images = _normal(np.random.default_rng(1), 5, 8, 7, 3)
    seen = tflite_network.load(every_node)(torch.from_numpy(images))
    for output, expected in zip(seen, _by_openvino(every_node, images), strict=True):
        np.testing.assert_allclose(output.flatten(1).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_models_of_a_face_give_what_they_give_in_openvino(assets, name):
    path = assets / "mediapipe-face" / f"{name}.tflite"
    images = np.random.default_rng(2).random((3, MODELS[name], MODELS[name], 3), np.float32)
    seen = tflite_network.load(path)(torch.from_numpy(images))
    for output, expected in zip(seen, _by_openvino(path, images), strict=True):
        np.testing.assert_allclose(output.flatten(1).numpy(), expected, atol=2e-3)  # pixels


def test_gradients_are_those_of_finite_differences(every_node):
    network = tflite_network.load(every_node).double()
    images = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 8, 7, 3))).requires_grad_()
    assert torch.autograd.gradcheck(network, (images,))


def test_a_network_is_frozen_and_moves_as_a_whole(every_node):
    network = tflite_network.load(every_node)
    kept = [*network.parameters(), *network.buffers()]
    assert kept and not network.training and not any(value.requires_grad for value in kept)
    moved = network.to("meta")
    assert all(value.is_meta for value in (*moved.parameters(), *moved.buffers()))
    assert [output.shape[0] for output in moved(torch.empty(6, 8, 7, 3, device="meta"))] == [6, 6]


def test_an_unknown_node_is_one_sentence_with_its_kind(assets):
    path = assets / "mediapipe-face" / "face_detection_back.tflite"
    with pytest.raises(ValueError, match=r"face_detection_back.tflite has a node Convert; only Parameter, "):
        tflite_network.load(path)

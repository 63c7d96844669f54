import pytest

from d2a_core.faces import detectors, landmarks


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"detector": "dlib"}, "'dlib'; choose 'facemesh' or 'face-alignment'"),
        ({"box": "middle"}, "'middle'; choose 'ffhq' or 'detect'"),
    ],
)
def test_unknown_settings_name_the_known_ones(assets, change, words):
    known = {"detector": "facemesh", "min_score": 0.5, "box": "ffhq", "weights": None}
    options = landmarks.Options(**(known | change))
    with pytest.raises(ValueError, match=words):
        detectors.load_detector(options, assets / "mediapipe-face", device="cpu", threads=1)

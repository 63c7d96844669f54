import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from d2a_core.faces import alignment
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media import images, photos
from d2a_core.store import arrays, texts

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "workflow_scripts" / "align_source.py"
MEDIA = ROOT.parent / "shared" / "media"


@pytest.fixture
def align(assets, tmp_path):
    """Runs the script on a photo; returns its output paths and the text of its log."""
    typical = tmp_path / "reference.zarr"  # where FFHQ alignment puts faces
    points = 0.334 * template_of(WFLW98)[None, :, :2] + [0.499, 0.477]
    known = {"points": points.astype(np.float32), "strangers": np.zeros((1, 128), np.float32)}
    arrays.write_zarr(typical, known, attributes={})
    spec = importlib.util.spec_from_file_location("align_source", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def run(image, face=0):
        output = SimpleNamespace(image=tmp_path / "aligned.png", alignment=tmp_path / "alignment.json")
        detection = {"detector": "facemesh", "min_score": 0.5, "box": "detect", "weights": None}
        script.main(
            SimpleNamespace(
                input=SimpleNamespace(image=image, models=assets / "mediapipe-face", reference=typical),
                output=output,
                log=[tmp_path / "log.txt"],
                threads=1,
                resources=SimpleNamespace(),
                params=SimpleNamespace(
                    landmarks=detection, photo={"name": "me", "image": str(image), "face": face}
                ),
            )
        )
        return output, (tmp_path / "log.txt").read_text()

    return run


def _read(output):
    return images.read_image(output.image), texts.read_json(output.alignment)


def test_a_photograph_becomes_an_aligned_picture_with_the_way_back(align, tmp_path):
    from skimage.data import astronaut

    exif = Image.Exif()
    exif[0x0112] = 6  # held upright, stored lying
    lying = Image.fromarray(astronaut()).transpose(Image.Transpose.ROTATE_90)
    lying.save(tmp_path / "me.png", exif=exif)
    output, log = align(tmp_path / "me.png")
    picture, facts = _read(output)
    assert picture.shape == (1024, 1024, 3)
    crop = alignment.crop_from_facts(facts)
    eyes = crop.to_crop(np.array([[204.0, 101], [247, 103.5]])) / 1024  # read off by eye
    assert eyes == pytest.approx(np.array([[0.377, 0.476], [0.622, 0.476]]), abs=0.02)
    assert facts["photo_sha256"] == texts.sha256(tmp_path / "me.png")
    assert facts["source"] == {"name": "me", "image": str(tmp_path / "me.png"), "face": 0}
    again = alignment.extract(photos.read_photo(tmp_path / "me.png").image, crop)
    assert (again == picture).all()
    assert len(facts["notes"]) == 2  # turned upright, small
    assert "WARNING the eyes on" in log and "43 px apart" in log and "turned upright" in log


def test_a_photo_without_the_face_asked_for_writes_nothing(align, tmp_path):
    images.write_image(np.full((200, 200, 3), 90, np.uint8), tmp_path / "wall.png")
    with pytest.raises(ValueError, match="no face found on .*wall.png, which is of one colour; give"):
        align(tmp_path / "wall.png")
    assert not (tmp_path / "aligned.png").exists() and not (tmp_path / "alignment.json").exists()


@pytest.mark.parametrize("name", ["source-mona-lisa.jpg", "source-sargent.jpg"])
def test_painted_faces_are_aligned_too(align, name):
    if not (MEDIA / name).is_file():
        pytest.skip(f"{name} of the shared media is not there")
    picture, facts = _read(align(MEDIA / name)[0])
    assert picture.shape == (1024, 1024, 3)
    assert np.ptp(np.array(facts["quad"]), axis=0).max() < 450  # the head, not the painting

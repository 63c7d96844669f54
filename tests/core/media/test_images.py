import numpy as np
import pytest
from PIL import Image

from d2a_core.media import images


def only(folder):
    return sorted(child.name for child in folder.iterdir())


def test_image_round_trip_keeps_pixels_and_text(tmp_path):
    path, pixels = tmp_path / "i.png", np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    images.write_image(pixels, path, text={"prompt": "größe", "facts": {"seed": 1}})
    np.testing.assert_array_equal(images.read_image(path), pixels)
    assert images.image_text(path) == {"prompt": "größe", "facts": '{"seed": 1}'}
    first = path.read_bytes()
    images.write_image(pixels, path, text={"prompt": "größe", "facts": {"seed": 1}})
    assert path.read_bytes() == first and only(tmp_path) == [".i.png.manifest.json", "i.png"]


def test_image_of_a_turned_camera_is_read_upright(tmp_path):
    image = Image.new("L", (4, 2))
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    image.save(tmp_path / "i.jpg", exif=exif)
    assert images.read_image(tmp_path / "i.jpg").shape == (4, 2, 3)


def test_image_damage_names_what_to_give(tmp_path):
    path = tmp_path / "i.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    for content in (path.read_bytes()[:3000], b"no picture"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="i.png cannot be read as a picture .* give an intact"):
            images.read_image(path)

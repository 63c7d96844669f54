import numpy as np
import pytest
from PIL import Image

from d2a_core.faces import alignment, paste, stitching
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98

SIZE = 256


def _face(*, chin=0.0, shift=0.0):
    """A frontal face [1, 98, 2] as it lies on an aligned picture; `chin` lowers the jaw."""
    points = 0.33 * template_of(WFLW98)[None, :, :2] + [0.5 + shift, 0.48]
    jaw = [*range(8, 25), *range(83, 88), *range(93, 96)]
    points[:, jaw, 1] += chin
    return points


def _crop(scale, degrees, x, y, size=SIZE):
    corners = np.array([0, 1j, 1 + 1j, 1]) * size * scale * np.exp(1j * np.radians(degrees)) + complex(x, y)
    return alignment.Crop(np.stack((corners.real, corners.imag), axis=-1), size)


@pytest.fixture
def photo():
    from skimage.data import astronaut

    return astronaut()


@pytest.fixture
def mask():
    return paste.face_mask(_face(), WFLW98, size=SIZE)


def _inside(place):
    """Where the frame counts for most, as a mask of the photo."""
    left, top, right, bottom = place.box
    alpha = np.zeros(place.photo.shape[:2], np.float32)
    alpha[top:bottom, left:right] = place.alpha[..., 0]
    return alpha


@pytest.mark.parametrize("scale", [0.6, 0.7, 1.1, 1.4])
@pytest.mark.parametrize("degrees", [0, 13])
def test_pasting_the_aligned_crop_itself_changes_next_to_nothing(photo, mask, scale, degrees):
    if scale > 1:  # a picture of fewer pixels than the photo keeps what the photo has of detail only if
        photo = np.array(
            Image.fromarray(photo).resize((1024, 1024), Image.Resampling.BICUBIC)
        )  # that is soft
    crop = _crop(scale, degrees, 100, 40)
    place = paste.prepare(photo, crop, mask)
    back = paste.paste(place, alignment.extract(photo, crop)).astype(int)
    alpha = _inside(place)
    assert (back[alpha == 0] == photo[alpha == 0]).all()
    change = (back - photo)[alpha > 0.5]
    assert np.median(np.abs(change.mean(axis=1))) < 1 and np.abs(change).mean() < 3
    assert np.abs(change.mean(axis=0)).max() < 0.2  # neither darker nor tinted


def test_the_bytes_outside_the_mask_stay_whatever_is_pasted(photo, mask):
    place = paste.prepare(photo, _crop(0.8, -20, 130, 90), mask)
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    pasted, alpha = paste.paste(place, noise), _inside(place)
    assert (pasted[alpha == 0] == photo[alpha == 0]).all()
    assert (pasted[alpha > 0.99] != photo[alpha > 0.99]).mean() > 0.9
    assert (place.photo == photo).all()  # untouched, ready for the next frame


def test_a_frame_comes_to_lie_where_its_crop_was(photo, mask):
    crop = _crop(0.5, 30, 150, 100)
    frame = np.zeros((SIZE, SIZE, 3), np.uint8)
    frame[120:136, 116:140] = 255  # a white bar in the middle of a black frame
    pasted = paste.paste_back(np.full_like(photo, 90), frame, crop, mask)
    rows, columns = np.nonzero(pasted[..., 0] > 200)
    assert [columns.mean() + 0.5, rows.mean() + 0.5] == pytest.approx(
        crop.to_photo(np.array([128.0, 128])), abs=0.3
    )


def test_fine_stripes_turn_grey_on_a_small_face_instead_of_aliasing(mask):
    stripes = np.zeros((SIZE, SIZE, 3), np.uint8)
    stripes[:, ::2] = 255
    place = paste.prepare(np.full((200, 200, 3), 128, np.uint8), _crop(0.37, 0, 40.3, 40.7), mask)
    pasted = paste.paste(place, stripes)
    inside = pasted[_inside(place) > 0.99].astype(int)
    assert np.abs(inside - 127.5).max() < 6


@pytest.mark.parametrize(("height", "width"), [(301, 401), (300, 401), (301, 400)])
def test_the_result_has_even_sides(photo, mask, height, width):
    pasted = paste.paste_back(photo[:height, :width], np.zeros((SIZE,) * 2 + (3,), np.uint8),
                              _crop(0.5, 0, 200, 100), mask)  # fmt: skip
    assert pasted.shape == (300, 400, 3)


def test_a_face_at_the_edge_of_the_photo_is_pasted_as_far_as_it_goes(photo, mask):
    black = np.zeros((SIZE, SIZE, 3), np.uint8)
    white = np.full_like(photo, 255)
    pasted = paste.paste_back(white, black, _crop(1, 0, -128, -128), mask)
    assert (pasted[:10, :10] == 0).all() and (pasted[200:, 200:] == 255).all()


def test_the_mask_covers_the_face_and_spares_hair_and_background(mask):
    points = _face()[0] * SIZE
    for x, y in points.astype(int):
        assert mask[y, x] > 0.9
    assert mask[: SIZE // 8].max() == 0 and mask[:, : SIZE // 16].max() == 0
    assert mask[[0, -1]].max() == 0 and mask[:, [0, -1]].max() == 0
    steps = np.abs(np.diff(mask, axis=0)).max(), np.abs(np.diff(mask, axis=1)).max()
    assert max(steps) < 0.2  # no hard edge


def test_an_opened_mouth_widens_the_mask_down_to_the_lower_chin():
    closed, opened = _face(), _face(chin=0.045)
    chin = (opened[0, 16] * SIZE).astype(int)
    assert paste.face_mask(closed, WFLW98, size=SIZE)[chin[1], chin[0]] < 0.6
    both = paste.face_mask(np.concatenate((closed, opened)), WFLW98, size=SIZE)
    assert both[chin[1], chin[0]] > 0.9
    lost = np.concatenate((closed, opened, np.full_like(closed, np.nan)))
    assert (paste.face_mask(lost, WFLW98, size=SIZE) == both).all()


def test_68_points_give_nearly_the_same_mask(mask):
    other = paste.face_mask(_face()[:, list(IBUG68.template)], IBUG68, size=SIZE)
    assert np.abs(other - mask).mean() < 0.01


def test_a_mask_without_a_face_is_refused(photo):
    with pytest.raises(ValueError, match="no face to draw a mask around"):
        paste.face_mask(np.full((2, 98, 2), np.nan), WFLW98, size=SIZE)
    with pytest.raises(ValueError, match="mask is empty"):
        paste.prepare(photo, _crop(1, 0, 0, 0), np.zeros((SIZE, SIZE), np.float32))


def test_a_video_streams_and_its_mask_goes_with_the_face(photo):
    still, turned = _face(), _face(shift=0.12)
    points = np.concatenate([still] * 6 + [turned] * 6)
    crop, black = _crop(1, 0, 100, 100), np.zeros((SIZE, SIZE, 3), np.uint8)
    drawn = []

    def frames():
        for index in range(len(points)):
            drawn.append(index)
            yield black

    white = np.full_like(photo, 255)
    face = stitching.Animated(frames(), crop, still, points)
    results = stitching.paste_back("generator", white, [face])
    first = next(results)
    assert drawn == [0]  # one frame at a time, however long the clip
    *_, last = results
    assert len(drawn) == len(points)
    x, y = (turned[0, 28] * SIZE + 100).astype(int)  # a cheek that only the turned face has there
    assert first[y, x, 0] > 240 and last[y, x, 0] < 15
    x, y = (still[0, 4] * SIZE + 100).astype(int)  # the photo's own cheek: gone in every frame
    assert first[y, x, 0] < 15 and last[y, x, 0] < 15

import numpy as np

from d2a_core.media import charts


def curve(picture, colour):
    """Rows and columns of the pixels close to a line's colour."""
    return np.nonzero(np.abs(picture.astype(int) - colour).max(axis=2) < 30)


def test_line_chart_draws_a_falling_line_and_its_legend():
    blue, orange = (31, 119, 180), (255, 127, 14)  # the first two colours of matplotlib
    x = np.arange(10)
    labels = {"title": "FAN", "x_label": "epoch", "y_label": "loss"}
    one = charts.line_chart({"a": (x, -x)}, **labels)
    assert one.shape == (540, 960, 3) and one.dtype == np.uint8
    rows, columns = curve(one, blue)
    assert np.corrcoef(rows, columns)[0, 1] > 0.99 and len(curve(one, orange)[0]) == 0
    two = charts.line_chart({"a": (x, -x), "b": (x, x)}, **labels)
    assert len(curve(two, orange)[0]) > 500
    dark = (one < 128).all(axis=2)
    assert not np.concatenate([dark[:5].ravel(), dark[-5:].ravel(), dark[:, :5].ravel()]).any()


def test_line_chart_of_one_point_shows_it():
    labels = {"title": "", "x_label": "epoch", "y_label": "loss"}
    assert len(curve(charts.line_chart({"a": ([1], [0.5])}, **labels), (31, 119, 180))[0]) > 20


def test_a_loss_curve_shows_training_and_validation_and_the_terms_of_the_latter():
    epoch = np.arange(1, 6)
    history = {"epoch": epoch, "training_loss": 6.0 - epoch, "validation_loss": 7.0 - epoch}
    plain = charts.loss_curve(history, title="FAN", loss="loss")
    terms = {
        "training_landmarks": 3.0 - epoch / 2, "validation_landmarks": 0 * epoch + 1.0,
        "training_rate": epoch, "learning_rate": epoch,
    }  # fmt: skip
    whole = charts.loss_curve(history | terms, title="FAN", loss="loss")
    blue, orange, green, red = (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40)
    for colour in (blue, orange):
        assert len(curve(plain, colour)[0]) > 500 and len(curve(whole, colour)[0]) > 500
    assert len(curve(plain, green)[0]) == 0 and len(curve(whole, red)[0]) == 0  # no more than that one term
    rows, columns = curve(whole, green)
    line = rows[columns < 600]
    assert len(line) > 500 and np.ptp(line) < 12  # level, as the validation's is

"""Draw line charts, such as the loss of a training."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray


def loss_curve(history: Mapping[str, np.ndarray], *, title: str, loss: str) -> np.ndarray:
    """Training and validation loss over the epochs, as a picture u1 [H, W, 3].

    A loss of several terms shows those of the validation as well, `validation_{term}`.
    """
    series = {name: (history["epoch"], history[f"{name}_loss"]) for name in ("training", "validation")}
    terms = (name.removeprefix("training_") for name in history if name.startswith("training_"))
    shown = {term: f"validation_{term}" for term in terms if term != "loss"}
    series |= {term: (history["epoch"], history[name]) for term, name in shown.items() if name in history}
    return line_chart(series, title=title, x_label="epoch", y_label=loss)


def line_chart(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str,
    x_label: str,
    y_label: str,
) -> NDArray[np.uint8]:
    """Draw lines (x, y) by name, with a legend when there are several: u1 [540, 960, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)  # inches to the edge of the picture
    figure = Figure(figsize=(8, 4.5), dpi=120, layout=layout)
    axes = figure.add_subplot(xlabel=x_label, ylabel=y_label)
    axes.set_title(title, loc="left")
    for name, (x, y) in series.items():
        dots = "o" if len(np.atleast_1d(x)) <= 40 else ""
        axes.plot(x, y, label=name, marker=dots, markersize=4, linewidth=1.8)
    if all(np.issubdtype(np.asarray(x).dtype, np.integer) for x, _ in series.values()):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        axes.legend(frameon=False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()

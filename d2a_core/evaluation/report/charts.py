"""Charts and pictures of the report, as text that stands in the page itself."""

import base64
import functools
import io as streams
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray
from PIL import Image

from d2a_core.media.resampling import resize

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

INK = "#1e1e22"  # becomes the colour of the page's text, light or dark
COLOURS = ("#2f7fc1", "#d9822b", "#2e9e6b", "#8d6cc0")  # told apart on white and on black
MARKS = ("o", "s", "^", "D")  # and without colour
MUTED = "#8d8d96"
STYLE: "dict[RcKeyType, object]" = {
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "svg.fonttype": "none",  # text stays text: for the search, for screen readers, and small
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 9,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.alpha": 0.15,
}
WIDTH, HEIGHT = 8.4, 3.2  # inches
DPI = 144  # of what is drawn in pixels
MOST_DOTS = 3000  # in a scatter; more hide one another
BIN_DEGREES, TICK_DEGREES = 10, 30
FEWEST_IN_BIN = 5  # pairs, or a mean says nothing
NORMAL_95 = 1.96
QUALITIES = (85, 75, 60, 45, 30, 15)  # of JPEG, tried in turn


@dataclass(frozen=True)
class Series:
    """Points (x, y) [n] and the ends of their intervals [n], by name; `muted` what is only compared with."""

    name: str
    x: NDArray
    y: NDArray
    low: NDArray
    high: NDArray
    muted: bool = False

    @property
    def reach(self) -> NDArray:
        """Lengths [2, n] of the intervals below and above the points."""
        return np.abs(np.stack((self.y - self.low, self.high - self.y)))


def data_uri(picture: NDArray[np.uint8], *, side: int, most_bytes: int) -> str:
    """An RGB picture [H, W, 3] as JPEG in a data URI: its longer side at most `side` px.

    The quality goes down, then the side, until the JPEG has at most `most_bytes`.
    """
    side = min(side, max(picture.shape[:2]))
    smaller = resize(picture[None], side)[0]
    for quality in QUALITIES:
        stream = streams.BytesIO()
        Image.fromarray(smaller).save(stream, format="JPEG", quality=quality, optimize=True)
        if stream.tell() <= most_bytes:
            return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
    if side == 1:
        raise ValueError(f"no JPEG has only {most_bytes} bytes; allow more")
    return data_uri(smaller, side=side // 2, most_bytes=most_bytes)


def binned(yaw: NDArray, error: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Centres [B] in degrees of bins of `yaw` [n], mean `error` [n] in each, and half its 95 % interval.

    The interval is 1.96 standard errors. Bins of few pairs are left out.
    """
    number = np.floor(yaw / BIN_DEGREES).astype(int)
    bins = [bin for bin in np.unique(number) if (number == bin).sum() >= FEWEST_IN_BIN]
    groups = [error[number == bin].astype(np.float64) for bin in bins]
    centres = (np.array(bins, dtype=float) + 0.5) * BIN_DEGREES
    spread = [NORMAL_95 * group.std(ddof=1) / np.sqrt(len(group)) for group in groups]
    return centres, np.array([group.mean() for group in groups]), np.array(spread)


def _in_style(draw: Callable[..., Markup]) -> Callable[..., Markup]:
    """Draw in the style of the project: ticks and legends take colours when made."""

    @functools.wraps(draw)
    def drawn(*args, **kwargs) -> Markup:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


@_in_style
def yaw_chart(passes: Mapping[int, tuple[NDArray, NDArray]], *, title: str) -> Markup:
    """NME in % over the target's yaw in degrees: a panel for each number of passes, dots and binned means."""
    from matplotlib.ticker import MultipleLocator

    figure, panels = _panels(len(passes))
    for axes, (number, (yaw, error)) in zip(panels, passes.items(), strict=True):
        step = max(1, len(yaw) // MOST_DOTS)
        axes.plot(
            yaw[::step], error[::step], ".", color=COLOURS[0], alpha=0.35, markersize=4, rasterized=True
        )
        centres, mean, half = binned(yaw, error)
        axes.errorbar(centres, mean, half, color=COLOURS[1], marker="o", markersize=4, capsize=2)
        axes.set(title=passes_title(number), xlabel="yaw of the target, degrees")
        axes.xaxis.set_major_locator(MultipleLocator(TICK_DEGREES))
    top = max((np.quantile(error, 0.995) for _, error in passes.values() if len(error)), default=1)
    panels[0].set(ylabel="NME, % of inter-ocular distance", ylim=(0, 1.05 * top))
    return _svg(figure, title)


@_in_style
def scaling_chart(panels: Mapping[str, Sequence[Series]], *, title: str) -> Markup:
    """NME in % and its intervals over numbers, a panel for each label of the x axis, which is logarithmic."""
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    figure, drawn = _panels(len(panels))
    for axes, (label, curves) in zip(drawn, panels.items(), strict=True):
        for curve, colour, mark in zip(curves, COLOURS, MARKS, strict=False):
            style = {"color": colour, "marker": mark, "markersize": 5, "capsize": 3}
            axes.errorbar(curve.x, curve.y, curve.reach, label=curve.name, **style)
        axes.set_xscale("log")
        ticks = np.unique(np.concatenate([curve.x for curve in curves]))
        axes.set_xticks(ticks, minor=False)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel=label)
        if len(curves) > 1:
            axes.legend()
    drawn[0].set(ylabel="NME, % of inter-ocular distance")
    return _svg(figure, title)


@_in_style
def bar_chart(groups: Sequence[str], series: Sequence[Series], *, title: str) -> Markup:
    """NME in % of each of `groups` [n], a bar with its interval for each of `series`."""
    figure, (axes,) = _panels(1)
    width, colours = 0.8 / len(series), itertools.cycle(COLOURS)
    for index, bars in enumerate(series):
        x = bars.x + (index - (len(series) - 1) / 2) * width
        colour = MUTED if bars.muted else next(colours)
        axes.bar(x, bars.y, 0.92 * width, color=colour, label=bars.name)
        axes.errorbar(x, bars.y, bars.reach, color=INK, linestyle="", capsize=2, linewidth=1)
    axes.set_xticks(np.arange(len(groups)), groups)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    axes.set(ylabel="NME, % of inter-ocular distance")
    axes.margins(y=0.25)  # room for the legend
    axes.legend(ncols=len(series), loc="upper left")
    return _svg(figure, title)


def passes_title(number: int) -> str:
    """Title of a number of closed-loop passes; – for -1, where there are none."""
    return {-1: "–", 0: "open loop", 1: "1 closed-loop pass"}.get(number, f"{number} closed-loop passes")


def _panels(count: int):
    """A figure and `count` axes side by side on one scale of y."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    return figure, list(figure.subplots(1, count, sharey=True, squeeze=False)[0])


def _svg(figure, title: str) -> Markup:
    """The figure as an inline SVG whose text has the page's colour; the same figure gives the same text."""
    import matplotlib

    stream = streams.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": title}):
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    drawing = stream.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
    drawing = drawing.replace("*{stroke", "svg *{stroke")  # a style of the drawing, not of the page
    drawing = re.sub(r' id="[\w.]+_\d+"', "", drawing)  # the same in every figure, and nothing refers to them
    return Markup(drawing.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1))

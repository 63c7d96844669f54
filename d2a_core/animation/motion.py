"""The driver's motion, split into head and face, on the landmarks of the source."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d2a_core.animation.filters import jitter
from d2a_core.faces import geometry, moves
from d2a_core.faces.heads import Heads, lift_clip, project
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import Scheme, scheme_of

LARGEST_RATIO = 1.5  # between the sizes of two people's parts; more is an error of measurement
NEIGHBOURS = 2  # frames on either side that must be as neutral: a single one does not win
WIDE_OPEN = 0.8  # quantile of a clip's eye opening that counts as open
# Equally far from rest: this turn, gap of the lips, narrowing of the eyes, mean distance from the median
TURNED_DEGREES, MOUTH_UNIT, EYES_UNIT, SHAPE_UNIT = 10.0, 0.05, 0.06, 0.015
FOLLOWED = {  # attributes of which the motion is measured, by the name of the figure
    "yaw": "yaw",
    "pitch": "pitch",
    "mouth": "mouth_opening",
    "smile": "smile",
    "left_eye": "left_eye_opening",
    "right_eye": "right_eye_opening",
    "brows": "brow_height",
    "gaze_x": "gaze_x",
    "gaze_y": "gaze_y",
}
# Standard deviations over a clip up to which an attribute stands still: less is noise of the detector
STILL_DEGREES, STILL = 0.5, 0.01


@dataclass(frozen=True)
class Transfer:
    """Rules by which the motion of a driver becomes that of a source.

    `motion` is "absolute" or "relative". `pose` multiplies turn, shift and size of the head, `expression` the
    rest, `scale` both. With `rest_lips` "driver" relative motion starts from the source with its mouth no
    further open than the driver's at rest, with "source" from its own mouth: a photo that shows its teeth
    could then never close its mouth, and would be asked to open it further than any face.
    """

    motion: str
    scale: float
    pose: float
    expression: float
    rest_lips: str

    def __post_init__(self) -> None:
        if self.motion not in ("absolute", "relative"):
            raise ValueError(f"animations.motion is {self.motion!r}; choose 'absolute' or 'relative'")
        if self.rest_lips not in ("driver", "source"):
            raise ValueError(f"animations.rest_lips is {self.rest_lips!r}; choose 'driver' or 'source'")


def goal(
    source: Heads,
    driver: Heads,
    transfer: Transfer,
    *,
    neutral: int | None = None,
    rest: Heads | None = None,
) -> NDArray[np.float32]:
    """Landmarks [T, P, 2] that the `driver` [T] asks of the `source` [1].

    Motion is transferred in space: a turn of the driver turns the source's head. Relative motion starts from
    the `neutral_heads`.
    """
    start = source if transfer.motion == "absolute" else neutral_heads(driver, neutral, rest)
    return project(moved(source, start, driver, transfer)).astype(np.float32)


def moved(source: Heads, start: Heads, driver: Heads, transfer: Transfer) -> Heads:
    """Heads [T] of the `source` [1] that move as the `driver` [T] does from the heads `start`, [1] or [T].

    Absolute motion leads from the source to the driver's own landmarks, face shape included (paper). Relative
    motion adds what the driver has changed, in the proportions of the source, so that its own shape stays.
    """
    if transfer.motion == "absolute":
        return _moved(source, source, driver, np.ones_like(source.shape[0]), transfer)
    scheme = scheme_of(source.shape.shape[1])
    own = source.shape[0]
    gain = gains(own, start.shape, scheme)
    if transfer.rest_lips == "driver":
        lips = [closed(own, rest, each, scheme) for rest, each in zip(start.shape, gain, strict=True)]
        change = np.stack(lips) - source.shape
        share = min(1.0, transfer.scale * transfer.expression)
        source = replace(source, shape=source.shape + share * change)
    return _moved(source, start, driver, gain, transfer)


def _moved(source: Heads, start: Heads, driver: Heads, gain: NDArray, transfer: Transfer) -> Heads:
    """Heads [T] of the source after the driver's way from `start`, the shape's times `gain`."""
    share = transfer.scale * transfer.expression
    shape = changed(source.shape, start.shape, driver.shape, share * gain)
    return replace(turned(source, start, driver, amount=transfer.scale * transfer.pose), shape=shape)


def changed(face: NDArray, start: NDArray, driver: NDArray, gain: NDArray) -> NDArray[np.float64]:
    """Shapes [T, P, 3] of a `face` that changes as a `driver` [T, P, 3] has since `start`.

    Face and start are [1, P, 3] or [T, P, 3]. The change is taken times `gain` [P, 3], or one for each frame;
    lids and lips cross no further than the driver's.
    """
    return _uncrossed(face + gain * (driver - start), driver, scheme_of(face.shape[1]))


def neutral_heads(driver: Heads, neutral: int | None = None, rest: Heads | None = None) -> Heads:
    """Head [1] of a driver [T] at rest.

    That is `rest` where no frame shows it, else the frame `neutral`, else the one that is found. The rest of
    a single picture is made up.
    """
    if rest is not None:
        return rest
    if neutral is None and len(driver.scale) == 1:
        return rest_of_picture(driver)
    return frame(driver, neutral_frame(driver) if neutral is None else neutral)


def frame(heads: Heads, index: int) -> Heads:
    """Take one head of several, as heads [1]."""
    return heads.rows(slice(index, index + 1))


def rest_of_picture(driver: Heads) -> Heads:
    """Make up the head of one picture at rest: straight, with the features of the mean face.

    Its contour and nose stay its own, or the width of a face would count as an expression; the chin rises
    with the mouth that closes.
    """
    scheme = scheme_of(driver.shape.shape[1])
    mean, own = template_of(scheme), driver.shape[0]
    shape = closed(own, mean, np.ones_like(own), scheme)
    features = [index for part in ("brows", "eyes", "mouth") for index in scheme.parts[part]]
    shape[features] = mean[features]
    return replace(driver, rotation=np.eye(3)[None], shape=shape[None])


def turned(source: Heads, start: Heads, driver: Heads, *, amount: float) -> Heads:
    """Turn, size and shift the source's head by `amount` times the way of the driver's from `start`."""
    turn = Rotation.from_matrix(driver.rotation @ start.rotation.transpose(0, 2, 1)).as_rotvec()
    rotation = Rotation.from_rotvec(amount * turn).as_matrix() @ source.rotation
    scale = source.scale * (driver.scale / start.scale) ** amount
    shift = source.shift + amount * (driver.shift - start.shift) * (source.scale / start.scale)[:, None]
    return Heads(rotation, scale, shift, source.shape)


def gains(source: NDArray, starts: NDArray, scheme: Scheme) -> NDArray[np.float64]:
    """`proportions` [N, P, 3] of a source's shape [P, 3] to those of several drivers at rest, [N, P, 3]."""
    return np.stack([proportions(source, start, scheme) for start in starts])


def proportions(source: NDArray, neutral: NDArray, scheme: Scheme) -> NDArray[np.float64]:
    """Factors [P, 3] from a driver's expression to the source's, from their shapes [P, 3] at rest.

    Mouth: width, and length of the face below the eyes. Eyes: width, and how far the lids are open, so that
    both close at the same time. All at inter-ocular distance 1.
    """
    gain = np.ones((scheme.size, 3))
    contour, mouth, eyes = (list(scheme.parts[name]) for name in ("contour", "mouth", "eyes"))
    chin = contour[len(contour) // 2]

    def ratio(measure) -> float:
        return float(np.clip(measure(source) / measure(neutral), 1 / LARGEST_RATIO, LARGEST_RATIO))

    def width(pairs) -> object:
        return lambda shape: sum(np.linalg.norm(shape[a, :2] - shape[b, :2]) for a, b in pairs)

    length = ratio(lambda shape: shape[chin, 1] - shape[list(scheme.outer_eyes), 1].mean())
    gain[contour, 1] = gain[mouth, 1] = length
    gain[mouth, 0] = ratio(width([scheme.mouth_corners]))
    gain[eyes, 0] = ratio(width([scheme.left_corners, scheme.right_corners]))
    gain[eyes, 1] = ratio(width(scheme.lids))
    return gain


def closed(source: NDArray, neutral: NDArray, gain: NDArray, scheme: Scheme) -> NDArray[np.float64]:
    """Close the lips of the shape `source` [P, 3] until they are as near as the driver's at rest, [P, 3].

    The lower lip rises and the chin with it, the upper lip comes down a little; corners stay, so a smile
    remains one. `gain` [P, 3] are the `proportions` of the two.
    """
    upper, lower = map(list, zip(*scheme.lips, strict=True))
    rest = np.maximum(gain[lower, 1] * (neutral[lower, 1] - neutral[upper, 1]), 0)
    surplus = np.maximum(source[lower, 1] - source[upper, 1] - rest, 0)
    shape = source.copy()
    moves.spread_lips(shape[None], -surplus[None], scheme)
    return shape


def _uncrossed(shape: NDArray, driver: NDArray, scheme: Scheme) -> NDArray[np.float64]:
    """Keep upper lids and lips above lower ones, as far as the driver's are: [T, P, 3]."""
    shape = shape.copy()
    for upper, lower in (*scheme.lids, *scheme.lips):
        least = np.minimum(driver[:, lower, 1] - driver[:, upper, 1], 0)
        missing = np.maximum(least - (shape[:, lower, 1] - shape[:, upper, 1]), 0) / 2
        shape[:, upper, 1] -= missing
        shape[:, lower, 1] += missing
    return shape


def neutral_frame(heads: Heads) -> int:
    """Index of the frame of a clip [T] at rest, the least of `neutral_costs`."""
    costs = neutral_costs(heads)
    padded = np.pad(costs, NEIGHBOURS, mode="edge")
    costs = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1).max(axis=1)
    return int(np.argmin(costs))


def neutral_costs(heads: Heads) -> NDArray[np.float64]:
    """Distance of each frame [T] from rest: turned, mouth open, eyes closing, unlike the calm half."""
    angles, canonical = geometry.angles_of(heads.rotation), heads.shape[..., :2]
    measured = geometry.attributes(canonical, canonical, angles, scheme_of(canonical.shape[1]))
    mouth, eyes = measured["mouth_opening"], measured["eye_opening"]
    costs = (
        np.linalg.norm(angles, axis=1) / TURNED_DEGREES
        + np.maximum(mouth, 0) / MOUTH_UNIT
        + np.maximum(np.quantile(eyes, WIDE_OPEN) - eyes, 0) / EYES_UNIT
    )
    quiet = canonical[costs <= np.median(costs)]  # otherwise half-open mouths would draw the median
    return costs + np.linalg.norm(canonical - np.median(quiet, axis=0), axis=2).mean(axis=1) / SHAPE_UNIT


def neutral_index(time_s: NDArray, neutral_s: float) -> int:
    """Index of the frame nearest to `neutral_s` seconds; ValueError outside the clip."""
    if not 0 <= neutral_s <= time_s[-1]:
        raise ValueError(
            f"animations.neutral_s is {neutral_s:g} s, but the clip ends at {time_s[-1]:.2f} s; "
            "give a time within it, or null"
        )
    return int(np.abs(time_s - neutral_s).argmin())


def compare(result: NDArray, driver: NDArray) -> dict[str, float]:
    """Compare a video with its driver, both as landmarks [T, P, 2] in one layout.

    `nme` mean error and `jitter`, `driver_jitter` mean second difference along time, in inter-ocular
    distances; `driver_yaw_correlation`, `driver_mouth_correlation`, `driver_eye_correlation` over time, NaN
    where one does not move. Rows of NaN are left out.
    """
    seen = np.isfinite(result).all(axis=(1, 2)) & np.isfinite(driver).all(axis=(1, 2))
    if not seen.any():
        raise ValueError(f"no face was found in any of {len(result)} rendered frames; look at the video")
    result, driver = result[seen], driver[seen]
    scheme = scheme_of(driver.shape[1])
    left, right = scheme.outer_eyes
    sizes = [np.linalg.norm(points[:, left] - points[:, right], axis=1).mean() for points in (result, driver)]
    ours, theirs = (_attributes(points, scheme) for points in (result, driver))
    figures = {
        "nme": float(geometry.normalized_mean_error(result, driver).mean()),
        "jitter": jitter(result) / sizes[0],
        "driver_jitter": jitter(driver) / sizes[1],
    }
    for name, attribute in (("yaw", "yaw"), ("mouth", "mouth_opening"), ("eye", "eye_opening")):
        figures[f"driver_{name}_correlation"] = _correlation(ours[attribute], theirs[attribute])
    return {name: float(value) for name, value in figures.items()}


def followed(result: NDArray, asked: NDArray) -> dict[str, float]:
    """Compare the motion of a video with what was asked of it, both as landmarks [T, P, 2] in one layout.

    For each of `FOLLOWED`: `{name}_correlation`, Pearson's r over time, and `{name}_slope`, by how much the
    result changes where a change of 1 was asked for (least squares). NaN where what was asked stands still,
    its standard deviation being at most STILL_DEGREES, or STILL in the unit of `geometry.attributes`; a
    result that does not move has a slope of 0. Rows of NaN are left out.
    """
    seen = np.isfinite(result).all(axis=(1, 2)) & np.isfinite(asked).all(axis=(1, 2))
    if not seen.any():
        return {f"{name}_{kind}": float("nan") for name in FOLLOWED for kind in ("correlation", "slope")}
    scheme = scheme_of(asked.shape[1])
    ours, wanted = (_attributes(points[seen], scheme) for points in (result, asked))
    figures = {}
    for name, attribute in FOLLOWED.items():
        moved, goal = (each[attribute].astype(np.float64) for each in (ours, wanted))
        still = STILL_DEGREES if attribute in ("yaw", "pitch") else STILL
        moves = np.std(goal) > still  # not so for the NaN of a scheme without pupils
        figures[f"{name}_correlation"] = _correlation(moved, goal) if moves else float("nan")
        figures[f"{name}_slope"] = _slope(moved, goal) if moves else float("nan")
    return figures


def _attributes(points: NDArray, scheme: Scheme) -> dict[str, NDArray]:
    heads = lift_clip(points, scheme)
    angles = geometry.angles_of(heads.rotation)
    return geometry.attributes(points, heads.shape[..., :2], angles, scheme)


def _slope(values: NDArray, over: NDArray) -> float:
    """Slope of the least-squares line of `values` [T] over another series [T], which moves."""
    steps = over - over.mean()
    return float(steps @ values / (steps @ steps))


def _correlation(one: NDArray, other: NDArray) -> float:
    """Pearson's r of two series; NaN where one does not move."""
    if min(np.std(one), np.std(other)) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])

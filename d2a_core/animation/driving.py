"""Stage `driving`: clips as landmarks per frame, in the layout of aligned FFHQ faces."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.animation.filters import fill_gaps, gaps, one_euro, runs
from d2a_core.faces.alignment import Layout, align, layout, quads
from d2a_core.faces.geometry import angles_of
from d2a_core.faces.heads import lift_clip
from d2a_core.faces.landmarks import Follower
from d2a_core.faces.schemes import Scheme, scheme_of
from d2a_core.media import cuts
from d2a_core.media.sheets import draw_landmarks
from d2a_core.media.timestamps import nominal_rate, paced
from d2a_core.media.video_reading import Frame
from d2a_core.runtime import Progress
from d2a_core.store import tables

HALF_HIDDEN_S = 0.2  # before and after somebody hides a face: half of it has points, but makes faces
LONGEST_GAP_S = 0.5  # a face away for longer may have done anything: its last pose is held
WIDTH_SLOWER = 10  # how much slower than the crop's place its width follows: a face comes nearer slowly
LARGEST_FRACTION = 10.0  # no face lies so far outside its picture; pixels do
ANGLES = ("yaw", "pitch", "roll")
WANTED = (
    "a clip's landmark table has time_s (s), found (bool) and points (a list of x0, y0, x1, … as fractions)"
)


@dataclass(frozen=True)
class Track:
    """Aligned landmarks of a clip.

    `points` [T, P, 2] as fractions of the aligned picture; `canonical` [T, P, 2] turned to the front, in
    inter-ocular distances; `angles` [T, 3] yaw, pitch, roll in degrees; `score`, `time_s` [T]; `shot` [T]
    counts the cuts before. Where a face was not `found` [T] points and angles are `interpolated` or `held`.
    `quad` [T, 4, 2] are the corners of the aligned picture in pixels of the frame (`alignment.Crop`), where
    there are frames; `rest` [1, P, 2] is the face at rest, seen from the front, where it is known without
    being shown. `mute` says that no clip moves the lips. `person` [T] numbers those whose face was seen from
    0, where there are several.
    """

    points: NDArray[np.float32]
    found: NDArray[np.bool_]
    score: NDArray[np.float32]
    angles: NDArray[np.float32]
    canonical: NDArray[np.float32]
    time_s: NDArray[np.float64]
    shot: NDArray[np.int32]
    interpolated: NDArray[np.bool_]
    held: NDArray[np.bool_]
    quad: NDArray[np.float32] | None = None
    rest: NDArray[np.float32] | None = None
    mute: bool = False
    person: NDArray[np.int32] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of frames, by how their pose is known."""
        names = ("found", "interpolated", "held")
        return {"frames": len(self.found), **{name: int(getattr(self, name).sum()) for name in names}}


def steady(crops: Layout, *, rate_hz: float, cutoff_hz: float) -> Layout:
    """Crop that follows the head of one shot without its tremor: centre and tilt smoothed, width even more.

    A crop that breathes with the mouth or jumps with the detector would move every landmark of the face;
    one of constant width would let the face grow out of the picture when the head comes nearer.
    """
    smooth = one_euro(
        np.concatenate((crops.centre, crops.axis), axis=1), rate_hz, min_cutoff_hz=cutoff_hz, beta=0.0
    )
    width = np.log(np.linalg.norm(crops.axis, axis=1, keepdims=True))
    width = np.exp(one_euro(width, rate_hz, min_cutoff_hz=cutoff_hz / WIDTH_SLOWER, beta=0.0))
    axis = smooth[:, 2:]
    return Layout(smooth[:, :2], axis * (width / np.linalg.norm(axis, axis=1, keepdims=True)))


def track(
    frames: Iterable[Frame],
    follower: Follower,
    reference: Layout,
    *,
    clip: str | Path,
    rate: Fraction,
    smoothing_hz: float,
    progress: Progress | None = None,
) -> Track:
    """Follow one face through the frames, then align its points as FFHQ faces are.

    `frames` are streamed; `clip` is what an error calls them. Gaps of up to `LONGEST_GAP_S` are interpolated,
    longer ones hold the last pose, or the first one before it. Roll is that in the aligned picture.
    """
    columns = _filled(_see(frames, follower, progress, clip=clip), rate)
    shot = columns["shot"]
    crops = _steady_stretches(
        layout(columns["points"], follower.scheme),
        shot,
        columns["held"],
        rate_hz=float(rate),
        cutoff_hz=smoothing_hz,
    )
    columns["angles"][:, 2] -= _tilt(crops) - _tilt(reference)
    return Track(
        align(columns["points"], crops, reference),
        columns["found"],
        columns["score"],
        columns["angles"].astype(np.float32),
        columns["canonical"].astype(np.float32),
        columns["time_s"],
        shot,
        columns["interpolated"],
        columns["held"],
        quad=quads(crops, reference).astype(np.float32),
        person=_several(columns["person"]),
    )


def _beside(hidden: NDArray[np.bool_], time_s: NDArray) -> NDArray[np.bool_]:
    """Frames [T] within `HALF_HIDDEN_S` of one in which somebody was `hidden` [T]."""
    behind_s = time_s[hidden]
    if not len(behind_s):
        return hidden
    after = np.searchsorted(behind_s, time_s)
    nearest = np.stack([behind_s[np.clip(after - step, 0, len(behind_s) - 1)] for step in (0, 1)])
    return np.abs(nearest - time_s).min(axis=0) < HALF_HIDDEN_S + 1e-6  # times are no exact multiples


def _several(person: NDArray) -> NDArray[np.int32] | None:
    """Numbers of people [T] where they are not all the same."""
    return person.astype(np.int32) if np.ptp(person) else None


def _row_before(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row [T], which of those that are `known` [T] it is or follows; the first before that."""
    return np.maximum(np.cumsum(known) - 1, 0)


def _filled(columns: Mapping[str, NDArray], rate: Fraction) -> dict[str, NDArray]:
    """Fill the gaps of columns; tell which rows [T] are `interpolated` or `held` by that."""
    found = columns["found"]
    interpolated, held = gaps(found, columns["shot"], longest=round(LONGEST_GAP_S * rate))
    names = [name for name in ("points", "angles", "canonical") if name in columns]
    filled = {name: fill_gaps(columns[name], found, held=held) for name in names}
    return {**columns, **filled, "interpolated": interpolated, "held": held}


def _steady_stretches(crops: Layout, shot: NDArray, held: NDArray[np.bool_], **smoothing: float) -> Layout:
    """Apply `steady` to each stretch of one `shot` [T] between poses that are `held` [T], as then are crops.

    A cut is no motion to smooth, nor is the way of one who comes back elsewhere.
    """
    known = np.flatnonzero(~held)
    breaks = np.diff(known, prepend=known[:1]) > 1
    label = np.cumsum(breaks | (np.diff(shot[known], prepend=shot[known[:1]]) != 0))
    stretches = [known[run] for run in runs(label)]
    parts = [steady(Layout(crops.centre[rows], crops.axis[rows]), **smoothing) for rows in stretches]
    whole = Layout(
        np.concatenate([part.centre for part in parts]), np.concatenate([part.axis for part in parts])
    )
    rows = _row_before(~held)
    return Layout(whole.centre[rows], whole.axis[rows])


def _tilt(crops: Layout) -> NDArray[np.float64]:
    """Degrees clockwise by which crops are turned."""
    return np.degrees(np.arctan2(crops.axis[:, 1], crops.axis[:, 0]))


def _see(
    frames: Iterable[Frame], follower: Follower, progress: Progress | None, *, clip: str | Path
) -> dict[str, NDArray]:
    """Look at each frame: columns of detections, points in pixels, `time_s`, numbers of `person` and `shot`.

    A shot ends at a cut, and where another person takes over.
    """
    rows: dict[str, list[NDArray]] = {
        name: [] for name in ("points", "found", "score", "angles", "canonical")
    }
    times: list[float] = []
    starts: list[bool] = []
    before: NDArray | None = None
    image: NDArray[np.uint8] | None = None
    cut = False
    people: list[int] = []
    hidden: list[bool] = []
    for frame in frames:
        if frame.image is not image:  # a frame shown for several ticks is looked at once
            image, small = frame.image, cuts.thumbnail(frame.image)
            cut = before is not None and cuts.is_cut(before, small)
            before, seen = small, follower.see(image, cut=cut)
            sides = np.array(image.shape[1::-1], np.float32)
        for name, column in rows.items():
            column.append(getattr(seen, name) * sides if name == "points" else getattr(seen, name))
        times.append(frame.time_s)
        people.append(follower.person)
        hidden.append(follower.hidden)
        starts.append(cut)
        cut = False
        if progress is not None:
            progress.advance(1)
    if not any(map(np.any, rows["found"])):
        raise ValueError(
            f"{clip}: no face was found in any of {len(times)} frames; choose a clip that shows one"
        )
    columns = {name: np.concatenate(column) for name, column in rows.items()}
    clear = columns["found"] & ~_beside(np.array(hidden), np.array(times))
    columns["found"] = clear if clear.any() else columns["found"]
    person = follower.people.numbers()[people][columns["found"]]
    person = person[_row_before(columns["found"])]  # a pose that is held is that of the one who had it
    shot = np.cumsum(np.array(starts) | (np.diff(person, prepend=person[:1]) != 0))
    return {**columns, "time_s": np.array(times), "person": person, "shot": shot.astype(np.int32)}


def table(track: Track) -> dict[str, object]:
    """Columns of the landmark table of a clip: one row a frame."""
    known = {"quad": track.quad, "rest_points": track.rest}
    count = len(track.found)
    extra: dict[str, object] = {
        name: tables.points_column(np.broadcast_to(points, (count, *points.shape[1:])))
        for name, points in known.items()
        if points is not None
    }
    if track.mute:
        extra["mute"] = np.ones(count, bool)
    if track.person is not None:
        extra["person"] = track.person
    return {
        "frame": np.arange(len(track.found), dtype=np.int64),
        "time_s": track.time_s,
        "found": track.found,
        "score": track.score,
        "points": tables.points_column(track.points),
        "canonical": tables.points_column(track.canonical),
        **{name: track.angles[:, index] for index, name in enumerate(ANGLES)},
        "interpolated": track.interpolated,
        "held": track.held,
        "shot": track.shot,
        **extra,
    }


def adopt(
    table: pyarrow.Table,
    metadata: Mapping[str, object],
    reference: Layout,
    *,
    clip: str | Path,
    scheme: Scheme,
    detector: str | None = None,
) -> tuple[Track, Fraction]:
    """Take a landmark table in place of a clip, and tell its frame rate; ValueError says what is wrong.

    A table that names its detector must name this `detector`, where that is known. Rows are brought to a
    constant rate like frames. A table of this pipeline is in the right layout already; the points of another
    are moved as a whole, so that the crop of its median face is the reference's.
    """
    tracked_by = metadata.get("detector", detector)
    if detector and tracked_by != detector:
        raise ValueError(
            f"{clip} was tracked by the landmark detector {tracked_by} and cannot be used with {detector}; "
            "track the clip with the same detector"
        )
    columns, rate = _regular(_checked(table, clip=clip, size=scheme.size), _declared_rate(metadata))
    columns = _filled(columns, rate)
    points = columns["points"]
    if metadata.get("stage") != "driving":
        points = _moved(points, points[columns["found"]], scheme, reference)
    heads = lift_clip(points, scheme)
    angles = columns["angles"] if "angles" in columns else angles_of(heads.rotation)
    return Track(
        points.astype(np.float32),
        columns["found"],
        columns["score"].astype(np.float32),
        angles.astype(np.float32),
        heads.shape[..., :2].astype(np.float32),
        np.arange(len(points)) / float(rate),
        columns["shot"].astype(np.int32),
        columns["interpolated"],
        columns["held"],
        person=_several(columns["person"]),
    ), rate


def _regular(
    columns: Mapping[str, NDArray], declared: Fraction | None
) -> tuple[dict[str, NDArray], Fraction]:
    """Bring columns to one row a tick of a constant rate; return the rate too, the `declared` one if any."""
    time_s = columns["time_s"] - columns["time_s"][0]
    rate = declared or nominal_rate(time_s, [])
    lasts_s = float(1 / rate)
    paces = paced(((float(at_s), lasts_s, row) for row, at_s in enumerate(time_s)), rate)
    rows = np.repeat(*np.transpose(list(paces)))
    return {name: column[rows] for name, column in columns.items()}, rate


def _moved(points: NDArray, known: NDArray, scheme: Scheme, reference: Layout) -> NDArray[np.float32]:
    """Move points [T, P, 2] as a whole, to the reference's crop of the median face of `known` [N, P, 2]."""
    crops = layout(known, scheme)
    middle = Layout(*(np.median(part, axis=0, keepdims=True) for part in (crops.centre, crops.axis)))
    return align(points, middle, reference)


def _checked(table: pyarrow.Table, *, clip: str | Path, size: int) -> dict[str, NDArray]:
    """Check a table given as a clip; return its columns, the optional ones filled in."""
    missing = [name for name in ("time_s", "found", "points") if name not in table.column_names]
    if missing:
        raise ValueError(f"{clip} lacks the column {', '.join(missing)}; {WANTED}")
    if not len(table):
        raise ValueError(f"{clip} has no row; {WANTED}, one row a frame")
    try:
        points = tables.points_array(table).astype(np.float64)
        columns = {name: _numbers(table, name) for name in ("time_s", "found")}
        angles = [_numbers(table, name) for name in ANGLES if name in table.column_names]
        extra = {n: _numbers(table, n) for n in ("score", "shot", "person") if n in table.column_names}
    except (ValueError, TypeError, pyarrow.ArrowException) as error:
        raise ValueError(f"{clip} has a column of another kind ({error}); {WANTED}") from error
    plain = {"score": np.ones(len(table)), "shot": np.zeros(len(table)), "person": np.zeros(len(table))}
    columns |= {"points": points} | plain | extra
    if len(angles) == len(ANGLES):
        columns["angles"] = np.stack(angles, axis=1)
    columns["found"] = columns["found"].astype(bool)
    _check_values(columns, clip=clip, size=size)
    return columns


def _check_values(columns: Mapping[str, NDArray], *, clip: str | Path, size: int) -> None:
    points, found, time_s = (columns[name] for name in ("points", "found", "time_s"))
    if points.shape[1] != size:
        raise ValueError(
            f"{clip} has {points.shape[1]} points a face, not the {size} of landmarks.detector; "
            "track the clip with the same detector"
        )
    if not found.any():
        raise ValueError(f"{clip}: no face was found in any of {len(found)} frames; choose another clip")
    blank = found & ~np.isfinite(points).all(axis=(1, 2))
    if blank.any():
        raise ValueError(
            f"{clip} has points that are no numbers in row {blank.argmax()}, where found is true; "
            "set it to false there"
        )
    if not np.isfinite(time_s).all() or (np.diff(time_s) <= 0).any():
        raise ValueError(f"{clip} has times that do not rise from row to row; sort it by time_s")
    if np.abs(points[found]).max() > LARGEST_FRACTION:
        raise ValueError(f"{clip} has points in pixels; divide x and y by the side of the square picture")


def _numbers(table: pyarrow.Table, name: str) -> NDArray:
    return table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)


def _declared_rate(metadata: Mapping[str, object]) -> Fraction | None:
    try:
        rate = Fraction(str(metadata["rate"]))
    except (KeyError, ValueError, ZeroDivisionError):
        return None
    return rate if rate > 0 else None


def pictures_of(track: Track, *, size: int) -> Iterator[NDArray[np.uint8]]:
    """Draw landmarks as frames u1 [size, size, 3], in place of those of a clip that is not at hand."""
    lines = scheme_of(track.points.shape[1]).lines
    for points in track.points:
        yield draw_landmarks(points, lines, size=size)

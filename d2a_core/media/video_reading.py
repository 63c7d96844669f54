"""Read videos frame by frame, through PyAV."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from d2a_core.media.timestamps import UNKNOWN_HZ, nominal_rate, paced
from d2a_core.store import manifests

THREADS = 2  # not the machine's number: x264 gives other bytes for another count
TAGS = ("title", "comment", "description")  # mp4 fields that players and file managers show
OPENING = {"protocol_whitelist": "file", "pattern_type": "none"}  # no playlist reaches the net, % is a name
TEXT_ART = ("tty", "bin", "xbin", "adf", "idf")  # FFmpeg "plays" any .txt as a terminal
MAX_GAP_S = 60.0  # no clip of a face stands still for longer; a broken clock does
ASPECT_SLACK = 0.02  # rounding to even sides


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video.

    `width` and `height` are those of the upright picture in square pixels, after the turn by
    `rotation` degrees clockwise (0, 90, 180 or 270). `rate` in Hz and `frames` are those of
    `read_frames`, `metadata` holds those of `TAGS` that the file has.
    """

    width: int
    height: int
    rate: Fraction
    frames: int
    duration_s: float
    has_audio: bool
    rotation: int
    metadata: dict[str, str]


@dataclass(frozen=True)
class Frame:
    """One decoded frame: `image` u1 [H, W, 3], upright, `time_s` seconds after the first."""

    index: int
    time_s: float
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class _Scan:
    """Facts needed before frames are read: the `first` one, when it starts, `rate` and number."""

    first: av.VideoFrame
    start_s: float
    rate: Fraction
    frames: int


def probe(path: str | Path) -> VideoInfo:
    """Read facts of a video and decode its first frame; raises ValueError if that fails."""
    with _reading(path) as (container, stream):
        scan = _scan(path, container, stream)
        turn, sides = _turn(scan.first), _square(scan.first, stream)
        return VideoInfo(
            *(sides[::-1] if turn in (90, 270) else sides),
            rate=scan.rate,
            frames=scan.frames,
            duration_s=float(scan.frames / scan.rate),
            has_audio=bool(container.streams.audio),
            rotation=turn,
            metadata={tag: text for tag, text in container.metadata.items() if tag in TAGS},
        )


def read_frames(path: str | Path, *, threads: int = THREADS) -> Iterator[Frame]:
    """Decode a video one frame at a time; memory does not grow with its length.

    Frames come at the constant rate of `probe(path).rate`, at each tick the one nearest in time: a clip of
    variable rate keeps its length and stays in step with its sound, one of constant rate gives every frame
    once. Filters along time need a constant rate, and players and editors are at home with it. A frame shown
    for several ticks is the same array each time.

    Raises ValueError, on the first step, when the file is absent, no video or holds no frame, and
    later where it is damaged.
    """
    with _reading(path) as (container, stream):
        scan = _scan(path, container, stream)
    with _reading(path) as (container, stream):
        stream.thread_type, stream.thread_count = "AUTO", threads
        index, sides = 0, _square(scan.first, stream)
        for frame, ticks in paced(_timed(container.decode(stream), scan), scan.rate):
            if not ticks:
                continue
            image = _upright(path, frame, stream, sides)
            for _ in range(ticks):
                yield Frame(index, float(index / scan.rate), image)
                index += 1


def _timed(frames: Iterable[av.VideoFrame], scan: _Scan) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """Frames as (seconds after the first, seconds each lasts, frame)."""
    for number, frame in enumerate(frames):
        time_s = float(number / scan.rate) if frame.time is None else frame.time - scan.start_s
        yield time_s, float((frame.duration or 0) * (frame.time_base or 0)) or float(1 / scan.rate), frame


def sound_start_s(path: str | Path) -> float | None:
    """Time of the first frame of a clip with sound, in s of its own clock; None without sound."""
    with _reading(path) as (container, stream):
        return _scan(path, container, stream).start_s if container.streams.audio else None


@contextmanager
def _reading(path: str | Path) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    """Open a container at its main video stream; what FFmpeg finds wrong becomes one sentence."""
    path = Path(path)
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"{path} {problem}; give the path of a video file")
    manifests.check(path)  # a decoder makes pictures of damaged bytes too
    try:
        with av.open(str(path.absolute()), options=OPENING) as container:
            stream = container.streams.best("video")
            if container.format.name in TEXT_ART:
                raise ValueError(f"{path} is a text; give a clip that shows a face")
            if not isinstance(stream, av.VideoStream) or stream.disposition & Disposition.attached_pic:
                raise ValueError(f"{path} has no video stream; give a clip that shows a face")
            yield container, stream
    except av.FFmpegError as error:
        raise ValueError(
            f"{path} cannot be read as a video ({error.strerror}); convert it to an mp4 in H.264"
        ) from error


def _scan(path: str | Path, container: "av.container.InputContainer", stream: "av.VideoStream") -> _Scan:
    """Measure time on the packets of the whole clip; only the first frame is decoded.

    Headers are not to be trusted: browsers write WebM "of 1000 Hz" and of no length.
    """
    first, stamps = None, []
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            stamp = packet.dts if packet.pts is None else packet.pts
            stamps.append((stamp, packet.duration or 0))
        first = next(iter(packet.decode()), None) if first is None else first
    if first is None:
        raise ValueError(f"{path} holds no video frame; give a clip that shows a face")
    _check_whole(path, container, stream)
    declared = [Fraction(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    tick_s = stream.time_base
    if (
        first.time is None or tick_s is None or any(stamp is None for stamp, _ in stamps)
    ):  # a stream without a clock
        rate = next(iter(declared), UNKNOWN_HZ)
        return _Scan(first, 0.0, rate, len(stamps))
    ordered = np.array(sorted(stamps), dtype=np.float64) * float(tick_s)
    times = ordered[:, 0] - first.time
    _check_steady(path, times)
    rate = nominal_rate(times, declared)
    ends_s = max(times[-1], 0.0) + (ordered[-1, 1] or float(1 / rate))
    return _Scan(first, first.time, rate, max(1, round(ends_s * rate)))


def _check_whole(
    path: str | Path, container: "av.container.InputContainer", stream: "av.VideoStream"
) -> None:
    """Raise ValueError when the index of an mp4 points behind the end of the file."""
    if "mp4" not in container.format.name:
        return
    if any(entry.pos + entry.size > container.size for entry in stream.index_entries):
        raise ValueError(f"{path} ends before its last frame; copy or download it again, it is incomplete")


def _check_steady(path: str | Path, times: NDArray) -> None:
    gaps = np.diff(times)
    if len(gaps) and gaps.max() > MAX_GAP_S:
        raise ValueError(
            f"{path} shows nothing for {gaps.max():.0f} s after {times[gaps.argmax()]:.1f} s; "
            "its clock is broken, encode it anew or cut it there"
        )


def _square(frame: av.VideoFrame, stream: "av.VideoStream") -> tuple[int, int]:
    """Width and height in square pixels of a frame as it is stored; anamorphic ones are widened."""
    ratio = stream.sample_aspect_ratio
    return (round(frame.width * ratio) if ratio else frame.width), frame.height


def _upright(
    path: str | Path, frame: av.VideoFrame, stream: "av.VideoStream", sides: tuple[int, int]
) -> NDArray[np.uint8]:
    """Picture u1 [H, W, 3] of a frame, at the size of the first; conferences send smaller ones at times."""
    width, height = _square(frame, stream)
    if abs(width * sides[1] / (height * sides[0]) - 1) > ASPECT_SLACK:
        raise ValueError(
            f"{path} turns from {sides[0]}×{sides[1]} into {width}×{height} on the way; cut it there"
        )
    image = frame.to_ndarray(format="rgb24", width=sides[0], height=sides[1])
    return np.ascontiguousarray(np.rot90(image, -_turn(frame) // 90))


def _turn(frame: av.VideoFrame) -> int:
    """Degrees clockwise that bring a frame upright; FFmpeg counts counterclockwise."""
    return round(-frame.rotation / 90) % 4 * 90

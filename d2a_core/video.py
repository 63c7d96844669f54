"""Videos in and out, streamed frame by frame, through PyAV."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from d2a_core.io import atomic_path

if TYPE_CHECKING:
    from d2a_core.runtime import Progress

# Of x264's presets at crf 16 and 1024², `medium` takes 3.4 times as long for 8 % more bytes and
# 0.3 dB; `faster` and `fast` need more bytes than `medium` for less.
PRESET = "veryfast"
THREADS = 2  # not the machine's number: x264 gives other bytes for another count
TAGS = ("title", "comment", "description")  # mp4 fields that players and file managers show
BT709 = 1  # primaries, transfer and matrix alike (ITU-T H.273, tables 2-4)
CHROMA = (  # of RGB → 4:2:0: the mean of four pixels, correctly rounded, on every processor
    Interpolation.AREA | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
)


@dataclass(frozen=True)
class VideoInfo:
    """What a container says of its video; None where it does not know.

    `width` and `height` are those of the upright picture, after the turn by `rotation` degrees
    clockwise (0, 90, 180 or 270). `rate` is the mean frame rate in Hz. `metadata` holds those of
    `TAGS` that the file has.
    """

    width: int
    height: int
    rate: Fraction
    frames: int | None
    duration_s: float | None
    has_audio: bool
    rotation: int
    metadata: dict[str, str]


@dataclass(frozen=True)
class Frame:
    """One decoded frame: `image` u1 [H, W, 3], upright, `time_s` seconds after the first."""

    index: int
    time_s: float
    image: NDArray[np.uint8]


def probe(path: str | Path) -> VideoInfo:
    """Read what a video is, and that its first frame can be decoded; raises ValueError if not."""
    with _reading(path) as (container, stream):
        frame = next(container.decode(stream), None)
        if frame is None:
            raise ValueError(_no_frame(path))
        turn = _turn(frame)
        sides = (frame.width, frame.height)
        duration_s = None
        if stream.duration is not None:
            duration_s = float(stream.duration * stream.time_base)
        elif container.duration is not None:  # Matroska and WebM note it for the file only
            duration_s = container.duration / av.time_base
        return VideoInfo(
            *(sides[::-1] if turn in (90, 270) else sides),
            rate=_rate(path, stream),
            frames=stream.frames or None,
            duration_s=duration_s,
            has_audio=bool(container.streams.audio),
            rotation=turn,
            metadata={tag: text for tag, text in container.metadata.items() if tag in TAGS},
        )


def read_frames(path: str | Path, *, threads: int = THREADS) -> Iterator[Frame]:
    """Decode a video one frame at a time; memory does not grow with its length.

    Raises ValueError, on the first step, when the file is absent, no video or holds no frame, and
    later where it is damaged.
    """
    with _reading(path) as (container, stream):
        stream.thread_type, stream.thread_count = "AUTO", threads
        rate, start, index = _rate(path, stream), None, -1
        for index, frame in enumerate(container.decode(stream)):
            time_s = float(index / rate) if frame.time is None else frame.time
            start = time_s if start is None else start
            image = np.rot90(frame.to_ndarray(format="rgb24"), -_turn(frame) // 90)
            yield Frame(index, time_s - start, np.ascontiguousarray(image))
        if index < 0:
            raise ValueError(_no_frame(path))


@contextmanager
def _reading(path: str | Path) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    """Open a container at its main video stream; what FFmpeg finds wrong becomes one sentence."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist; give the path of a video file")
    try:
        with av.open(str(path.absolute())) as container:
            stream = container.streams.best("video")
            if stream is None:
                raise ValueError(f"{path} has no video stream; give a clip that shows a face")
            yield container, stream
    except av.FFmpegError as error:
        raise ValueError(
            f"{path} cannot be read as a video ({error.strerror}); convert it to an mp4 in H.264"
        ) from error


def _no_frame(path: str | Path) -> str:
    return f"{path} holds no video frame; give a clip that shows a face"


def _rate(path: str | Path, stream: "av.VideoStream") -> Fraction:
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise ValueError(f"{path} tells no frame rate; convert it to an mp4 in H.264")
    return Fraction(rate)


def _turn(frame: av.VideoFrame) -> int:
    """Degrees clockwise that bring a frame upright; FFmpeg counts counterclockwise."""
    return round(-frame.rotation / 90) % 4 * 90


class VideoWriter:
    """H.264 (High, 4:2:0, BT.709) in an mp4 that streams, written frame by frame.

    A context manager. The file appears under its name when the block is left without exception;
    until then, and after one, there is nothing playable. The same frames and `threads` give the
    same bytes. `rate` is in Hz, `crf` x264's quality from 0 (best) to 51, `metadata` holds any of
    `TAGS`. Raises ValueError for other metadata, odd or changing sizes, and when no frame came.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        rate: Fraction,
        metadata: Mapping[str, str],
        crf: int = 16,
        threads: int = THREADS,
    ) -> None:
        unknown = [name for name in metadata if name not in TAGS]
        if unknown:
            raise ValueError(
                f"an mp4 has no field for the metadata {', '.join(unknown)}; use {', '.join(TAGS)}"
            )
        if rate <= 0:
            raise ValueError(f"{rate} frames a second is no rate; give one above 0")
        self.path, self.rate, self.metadata = Path(path), Fraction(rate), dict(metadata)
        self.crf, self.threads, self.frames = crf, threads, 0
        self._colours, self._stream = VideoReformatter(), None

    def __enter__(self) -> "VideoWriter":
        with ExitStack() as resources:
            part = resources.enter_context(atomic_path(self.path))
            options = {"movflags": "+faststart", "fflags": "+bitexact"}
            self._container = resources.enter_context(
                av.open(str(part.absolute()), "w", format="mp4", options=options)
            )
            self._container.metadata.update(self.metadata)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._resources.__exit__(kind, error, trace)
            return
        with self._resources:
            if self._stream is None:
                raise ValueError(f"there is no frame to write to {self.path}; give at least one")
            self._container.mux(self._stream.encode())

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append one frame u1 [H, W, 3]; H and W are even and the same for all."""
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, image.shape
        self._stream = self._stream or self._start(*image.shape[:2])
        if image.shape[:2] != (self._stream.height, self._stream.width):
            raise ValueError(
                f"frame {self.frames} is {image.shape[1]}×{image.shape[0]} but the first was "
                f"{self._stream.width}×{self._stream.height}; scale all frames alike"
            )
        frame = self._colours.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=CHROMA,
            threads=1,
        )
        frame.pts, frame.time_base = self.frames, 1 / self.rate
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def _start(self, height: int, width: int) -> "av.VideoStream":
        if width % 2 or height % 2:
            raise ValueError(f"H.264 needs even sides, not {width}×{height}; scale the frames")
        options = {"crf": str(self.crf), "preset": PRESET, "profile": "high"}
        stream = self._container.add_stream("libx264", rate=self.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.thread_count = self.threads
        context.flags |= av.codec.context.Flags.bitexact
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = ColorRange.MPEG
        return stream


def write_frames(
    frames: Iterable[NDArray[np.uint8]],
    path: str | Path,
    *,
    rate: Fraction,
    metadata: Mapping[str, str],
    crf: int = 16,
    threads: int = THREADS,
    progress: "Progress | None" = None,
) -> None:
    """Encode images u1 [H, W, 3] as they come, by a `VideoWriter`; `progress` counts them."""
    with VideoWriter(path, rate=rate, metadata=metadata, crf=crf, threads=threads) as writer:
        for image in frames:
            writer.write(image)
            if progress is not None:
                progress.advance(1)


def provenance(facts: Mapping[str, object]) -> dict[str, str]:
    """Metadata of a rendered video, from `io.provenance(generator=, …)`.

    It says to a reader that no camera recorded it; `description` holds all facts as JSON.
    """
    return {
        "title": "Synthetic face animation",
        "comment": "Synthetic: no camera recorded this. Rendered by "
        f"{facts['created_by']} {facts['version']} with the generator {facts['generator']}.",
        "description": json.dumps({"synthetic": True, **facts}),
    }

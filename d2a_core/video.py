"""Videos in and out, streamed frame by frame, through PyAV."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from d2a_core.io import atomic_path

PRESET = "fast"  # of x264: a third of the time of `medium` at nearly its size


@dataclass(frozen=True)
class VideoInfo:
    """What a container says of its first video stream; `frames` is 0 when it does not know."""

    width: int
    height: int
    rate: Fraction
    frames: int
    has_audio: bool
    metadata: dict[str, str]


@dataclass(frozen=True)
class Frame:
    """One decoded frame: `image` u1 [H, W, 3], turned upright, at `time_s`."""

    index: int
    time_s: float
    image: NDArray[np.uint8]


def probe(path: str | Path) -> VideoInfo:
    """Size, true frame rate and metadata of a video; raises ValueError when it is none."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        if not rate:
            raise ValueError(f"{path} tells no frame rate; convert it to an mp4 with a constant rate")
        return VideoInfo(
            width=stream.width,
            height=stream.height,
            rate=Fraction(rate),
            frames=stream.frames,
            has_audio=bool(container.streams.audio),
            metadata=dict(container.metadata),
        )


def read_frames(path: str | Path) -> Iterator[Frame]:
    """Decode a video one frame at a time; raises ValueError when it holds no frame."""
    count = 0
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for count, frame in enumerate(container.decode(stream), start=1):
            image = frame.to_ndarray(format="rgb24")
            turns = round((frame.rotation or 0) / 90) % 4
            yield Frame(count - 1, float(frame.time or 0.0), np.ascontiguousarray(np.rot90(image, turns)))
    if not count:
        raise ValueError(f"{path} holds no video frame; choose another clip")


def write_frames(frames: Iterable[NDArray[np.uint8]], path: str | Path, *, rate: Fraction,
                 metadata: Mapping[str, str], crf: int = 16, progress=None) -> None:
    """Encode images u1 [H, W, 3] of one even size as H.264 in an mp4.

    The file appears under its name only when the last frame is in: an interrupted job leaves no playable
    half. Colours are tagged and converted as BT.709. `metadata` goes into the container.
    """
    with atomic_path(path) as part, av.open(str(part), "w", options={"movflags": "+faststart+use_metadata_tags"},
                                            format="mp4") as container:
        container.metadata.update(metadata)
        stream = None
        for image in frames:
            stream = stream or _stream(container, image.shape, rate, crf)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
            container.mux(stream.encode(frame))
            if progress is not None:
                progress.advance(1)
        if stream is None:
            raise ValueError(f"there is no frame to write to {path}; the driving clip is empty")
        container.mux(stream.encode())


def _stream(container, shape: tuple[int, ...], rate: Fraction, crf: int):
    height, width = shape[:2]
    if width % 2 or height % 2:
        raise ValueError(f"H.264 needs even sides, not {width}×{height}; scale the frames")
    stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": PRESET})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
    context.color_range = 1  # limited
    context.flags |= av.codec.context.Flags.bitexact
    return stream


class _opened:
    """A container with a video stream, or one clear sentence."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __enter__(self):
        if not self.path.is_file():
            raise ValueError(f"{self.path} does not exist; give the path of a video file")
        try:
            self.container = av.open(str(self.path))
        except (av.error.FFmpegError, OSError) as error:
            raise ValueError(f"{self.path} cannot be read as a video ({error}); convert it to mp4") from error
        if not self.container.streams.video:
            self.container.close()
            raise ValueError(f"{self.path} has no video stream; give a clip that shows a face")
        return self.container

    def __exit__(self, kind, error, trace) -> None:
        self.container.close()
        if isinstance(error, av.error.FFmpegError):
            raise ValueError(f"{self.path} is damaged ({error}); convert it to mp4 again") from error


def provenance(facts: Mapping[str, object]) -> dict[str, str]:
    """Container metadata that says what the video is and where it comes from."""
    maker = f"d2animator {facts['version']}"
    return {
        "title": "Synthetic face animation",
        "comment": f"Synthetic: no camera recorded this. Rendered by {maker} with {facts['generator']}.",
        "encoder_tool": maker,
        "synthetic": "true",
        "generator": str(facts["generator"]),
        "generator_sha256": str(facts["generator_sha256"]),
    }

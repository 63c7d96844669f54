"""Write mp4 videos."""

import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from d2a_core.media import video_reading
from d2a_core.media.clip_packets import OPENING, sound_of
from d2a_core.media.soundtrack import Soundtrack
from d2a_core.store.atomic import atomic_path

if TYPE_CHECKING:
    from d2a_core.runtime import Progress

# Of x264's presets at crf 16 and 1024², `medium` takes 3.4 times as long for 8 % more bytes and
# 0.3 dB; `faster` and `fast` need more bytes than `medium` for less.
PRESET = "veryfast"
LEAST_TREE = 128  # px; x264's tree of macroblocks reads memory that nobody wrote where a picture is smaller
BT709 = 1  # primaries, transfer and matrix alike (ITU-T H.273, tables 2-4)
CHROMA = (  # of RGB → 4:2:0: the mean of four pixels, correctly rounded, on every processor
    Interpolation.AREA | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
)
LOG = logging.getLogger("d2a")


class VideoWriter:
    """H.264 (High, 4:2:0, BT.709) in an mp4 that streams, written frame by frame.

    A context manager. The file appears under its name when the block is left without exception;
    until then, and after one, there is nothing playable. The same frames and `threads` give the
    same bytes. `rate` is in Hz, `crf` x264's quality from 0 (best) to 51, `metadata` holds any of
    `TAGS`. `audio` is a video whose sound goes along, its first frame being that of the result; the sound
    ends with the pictures; in `slow_motion` it takes that many times as long, its pitch kept. Raises
    ValueError for other metadata, odd or changing sizes, and when no frame came.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        rate: Fraction,
        metadata: Mapping[str, str],
        audio: str | Path | None = None,
        slow_motion: float = 1.0,
        crf: int = 16,
        threads: int = video_reading.THREADS,
    ) -> None:
        unknown = [name for name in metadata if name not in video_reading.TAGS]
        if unknown:
            raise ValueError(
                f"an mp4 has no field for the metadata {', '.join(unknown)}; "
                f"use {', '.join(video_reading.TAGS)}"
            )
        if rate <= 0:
            raise ValueError(f"{rate} frames a second is no rate; give one above 0")
        self.path, self.rate, self.metadata = Path(path), Fraction(rate), dict(metadata)
        self.audio, self.crf, self.threads, self.frames = audio, crf, threads, 0
        self.slow_motion = slow_motion
        self._colours = VideoReformatter()
        self._stream: av.VideoStream | None = None
        self._sound: Soundtrack | None = None

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
            self._advance_sound()

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append one frame u1 [H, W, 3]; H and W are even and the same for all."""
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, image.shape
        stream = self._stream = self._stream or self._start(*image.shape[:2])
        if image.shape[:2] != (stream.height, stream.width):
            raise ValueError(
                f"frame {self.frames} is {image.shape[1]}×{image.shape[0]} but the first was "
                f"{stream.width}×{stream.height}; scale all frames alike"
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
        self._container.mux(stream.encode(frame))
        self.frames += 1
        self._advance_sound()

    def _advance_sound(self) -> None:
        if self._sound is not None:
            self._sound.advance(float(self.frames / self.rate))

    def _start(self, height: int, width: int) -> "av.VideoStream":
        if width % 2 or height % 2:
            raise ValueError(f"H.264 needs even sides, not {width}×{height}; scale the frames")
        options = {"crf": str(self.crf), "preset": PRESET, "profile": "high"}
        if min(height, width) < LEAST_TREE:
            options["mbtree"] = "0"
        stream = self._container.add_stream("libx264", rate=self.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.thread_count = self.threads
        context.flags |= av.codec.context.Flags.bitexact
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = ColorRange.MPEG
        self._sound = None if self.audio is None else self._open_sound(self.audio)
        return stream

    def _open_sound(self, path: str | Path) -> Soundtrack | None:
        clock = video_reading.sound_clock(path)
        if clock is None:
            return None
        source = self._resources.enter_context(
            av.open(str(Path(path).absolute()), options=OPENING, metadata_errors="replace")
        )
        if sound_of(source) is None:
            LOG.warning("the sound of %s cannot be decoded; the video is silent", path)
            return None
        return Soundtrack(source, self._container, clock, tempo=1 / self.slow_motion)


def write_frames(
    frames: Iterable[NDArray[np.uint8]],
    path: str | Path,
    *,
    rate: Fraction,
    metadata: Mapping[str, str],
    audio: str | Path | None = None,
    slow_motion: float = 1.0,
    crf: int = 16,
    threads: int = video_reading.THREADS,
    progress: "Progress | None" = None,
) -> None:
    """Encode images u1 [H, W, 3] as they come, by a `VideoWriter`; `progress` counts them."""
    with VideoWriter(
        path,
        rate=rate,
        metadata=metadata,
        audio=audio,
        slow_motion=slow_motion,
        crf=crf,
        threads=threads,
    ) as writer:
        for image in frames:
            writer.write(image)
            if progress is not None:
                progress.advance(1)


def provenance(facts: Mapping[str, object]) -> dict[str, str]:
    """Metadata of a rendered video, from `provenance.provenance(generator=, …)`.

    It says to a reader that no camera recorded it; `description` holds all facts as JSON.
    """
    return {
        "title": "Synthetic face animation",
        "comment": "Synthetic: no camera recorded this. Rendered by "
        f"{facts['created_by']} {facts['version']} with the generator {facts['generator']}.",
        "description": json.dumps({"synthetic": True, **facts}),
    }

"""Read videos frame by frame, through PyAV."""

import itertools
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from d2a_core.media import colours, fields, picture_clips
from d2a_core.media.clip_clock import Clock, Timeline, timeline
from d2a_core.media.clip_packets import Contents, Decoded, look_through, reading, sound_of
from d2a_core.media.picture_clips import PictureClip
from d2a_core.media.timestamps import paced
from d2a_core.media.upright import Upright

LOG = logging.getLogger("d2a")
THREADS = 2  # not the machine's number: x264 gives other bytes for another count
TAGS = ("title", "comment", "description")  # mp4 fields that players and file managers show


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video.

    `width` and `height` are those of the upright picture in square pixels: mirrored left to right where it
    `is_mirrored`, then turned by `rotation` degrees clockwise (0, 90, 180 or 270). `rate` in Hz and `frames`
    are those of `read_frames`, `metadata` holds those of `TAGS` that the file has. It `has_audio` where
    there is sound that can be decoded. `notes` tell a user in sentences what is not as it should be.
    """

    width: int
    height: int
    rate: Fraction
    frames: int
    duration_s: float
    has_audio: bool
    rotation: int
    metadata: dict[str, str]
    is_mirrored: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frame:
    """One decoded frame: `image` u1 [H, W, 3], upright, `time_s` seconds after the first."""

    index: int
    time_s: float
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class _Scan:
    """Facts needed before frames are read: how one becomes a `picture`, when each is shown, `notes`."""

    picture: Upright
    timeline: Timeline
    is_whole: bool
    takes_corrupt: bool
    notes: tuple[str, ...]


def probe(path: str | Path) -> VideoInfo:
    """Read facts of a video and decode its first frame; raises ValueError if that fails."""
    pictures = picture_clips.opened(path)
    if pictures is not None:
        return _facts_of_pictures(pictures)
    with reading(path) as (container, stream):
        scan = _scan(path, container, stream)
        frames, rate = scan.timeline.frames, scan.timeline.rate
        return VideoInfo(
            scan.picture.width,
            scan.picture.height,
            rate=rate,
            frames=frames,
            duration_s=float(frames / rate),
            has_audio=sound_of(container) is not None,
            rotation=scan.picture.turn,
            metadata={tag: text for tag, text in container.metadata.items() if tag in TAGS},
            is_mirrored=scan.picture.is_mirrored,
            notes=scan.notes,
        )


def read_frames(path: str | Path, *, threads: int = THREADS) -> Iterator[Frame]:
    """Decode a video one frame at a time; memory does not grow with its length.

    There are `probe(path).frames` at the constant rate of `probe(path).rate`, at each tick the one nearest
    in time: a clip of variable rate keeps its length and stays in step with its sound, one of constant rate
    gives every frame once. Filters along time need a constant rate, and players and editors are at home with
    it. A frame shown for several ticks is the same array each time. Damaged ones are left out, and counted
    in the log.

    Raises ValueError, on the first step, when the file is absent, no video or holds no frame, and
    later where it is damaged.
    """
    pictures = picture_clips.opened(path)
    if pictures is not None:
        yield from _filled(paced(pictures.pictures(), pictures.rate), pictures.rate, _ticks(pictures))
        return
    with reading(path) as (container, stream):
        scan = _scan(path, container, stream)
    with reading(path) as (container, stream):
        # what other threads have in hand is lost where one meets a fault
        stream.thread_type, stream.thread_count = ("AUTO" if scan.is_whole else "SLICE"), threads
        decoded = Decoded(container, stream, takes_corrupt=scan.takes_corrupt)
        shown = paced(_timed(fields.joined(decoded), scan.timeline), scan.timeline.rate)
        images = ((scan.picture.picture(frame), ticks) for frame, ticks in shown if ticks)
        yield from _filled(images, scan.timeline.rate, scan.timeline.frames)
        if not decoded.whole:
            raise ValueError(f"{path} holds no video frame; give a clip that shows a face")
        if decoded.damaged:
            LOG.warning("%s: %d frames are damaged, others stand in for them", path, decoded.damaged)


def frames_at(path: str | Path, rows: Iterable[int]) -> Iterator[Frame]:
    """Decode the frames of some numbers, in order of time; nothing behind the last of them is read."""
    wanted = set(rows)
    for frame in itertools.islice(read_frames(path), max(wanted, default=-1) + 1):
        if frame.index in wanted:
            yield frame


def _filled(images: Iterable[tuple[NDArray[np.uint8], int]], rate: Fraction, frames: int) -> Iterator[Frame]:
    """As many `frames` as were announced; the last image stands in for those that are damaged at the end."""
    index, image = 0, None
    for image, ticks in images:
        for _ in range(min(ticks, frames - index)):
            yield Frame(index, float(index / rate), image)
            index += 1
    if image is not None:
        for late in range(index, frames):
            yield Frame(late, float(late / rate), image)


def _ticks(clip: PictureClip) -> int:
    """Number of frames of a clip of pictures."""
    times = ((time_s, lasts_s, None) for time_s, lasts_s in zip(clip.times_s, clip.lasts_s, strict=True))
    return sum(ticks for _, ticks in paced(times, clip.rate))


def _facts_of_pictures(clip: PictureClip) -> VideoInfo:
    """Facts of a clip of pictures, of which the first is looked at."""
    _, _, first = next(clip.pictures())
    frames = _ticks(clip)
    height, width = first.shape[:2]
    return VideoInfo(
        width,
        height,
        rate=clip.rate,
        frames=frames,
        duration_s=float(frames / clip.rate),
        has_audio=False,
        rotation=0,
        metadata={},
        notes=clip.notes,
    )


def _timed(
    frames: Iterable[av.VideoFrame], timeline: Timeline
) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """Frames as (seconds after the first, seconds each lasts, frame)."""
    clock = timeline.clock()
    for frame in frames:
        lasts_s = float((frame.duration or 0) * (frame.time_base or 0)) or clock.period_s
        yield clock.at(frame.time), lasts_s, frame


def sound_clock(path: str | Path) -> Clock | None:
    """Clock that puts the sound of a clip where its pictures are; None without sound."""
    if picture_clips.opened(path) is not None:
        return None
    with reading(path) as (container, stream):
        if not container.streams.audio:
            return None
        return _scan(path, container, stream).timeline.clock(of_sound=True)


def _scan(path: str | Path, container: "av.container.InputContainer", stream: "av.VideoStream") -> _Scan:
    """Measure time on the packets of the whole clip; only the first frame is decoded, unless it is damaged.

    Headers are not to be trusted: browsers write WebM "of 1000 Hz" and of no length.
    """
    found = look_through(path, container, stream)
    declared = [Fraction(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    time = timeline(found.stamps, found.first.time, declared)
    return _Scan(
        Upright(path, found.first, stream.sample_aspect_ratio),
        time,
        is_whole=not (found.missing or found.damaged),
        takes_corrupt=found.takes_corrupt,
        notes=tuple(f"{path} {note}" for note in _notes(found, time)),
    )


def _notes(found: Contents, time: Timeline) -> Iterator[str]:
    """What a user should know of a clip that is not as it should be."""
    there, jumps = len(found.stamps), len(time.spans) - 1
    if found.missing:
        yield f"is incomplete: the last {found.missing} of its frames are missing; what is there is used"
    if found.damaged:
        yield f"is damaged: {found.damaged} of its {there} frames cannot be used; others stand in for them"
    if jumps:
        yield f"has a clock that jumps ({jumps}×); what follows comes right behind what was"
    if time.is_guessed:
        yield f"has no likely rate; its frames follow one another, {time.rate} a second"
    if found.first.interlaced_frame:
        yield fields.REMARK
    remark = colours.remark(found.first.color_trc)
    if remark:
        yield remark

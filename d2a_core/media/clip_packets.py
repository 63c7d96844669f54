"""Open a clip, take what it holds packet by packet and picture by picture, and leave out what is damaged."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.stream import Disposition

from d2a_core.media.clip_clock import Stamp
from d2a_core.store import manifests

LOG = logging.getLogger("d2a")
OPENING = {"protocol_whitelist": "file", "pattern_type": "none"}  # no playlist reaches the net, % is a name
TEXT_ART = ("tty", "bin", "xbin", "adf", "idf")  # FFmpeg "plays" any .txt as a terminal
ZEROS = bytes(16)  # no compressed picture begins so: a hole in a torn copy, or the packet after
LEAST_WHOLE = 0.1  # share of the frames with which a clip is worth the while
PATIENCE = 300  # packets after a first picture that is faulty in which a whole one is looked for
BROKEN = (av.InvalidDataError, av.EOFError, av.PatchWelcomeError, av.ArgumentError)  # the file, not the disk


@contextmanager
def reading(path: str | Path) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    """Open a container at its main video stream; what FFmpeg finds wrong becomes one sentence."""
    path = Path(path)
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"{path} {problem}; give the path of a video file")
    manifests.check(path)  # a decoder makes pictures of damaged bytes too
    try:
        with av.open(str(path.absolute()), options=OPENING, metadata_errors="replace") as container:
            if container.format.name in TEXT_ART:
                raise ValueError(f"{path} is a text; give a clip that shows a face")
            yield container, _stream(path, container)
    except av.FFmpegError as error:
        raise ValueError(
            f"{path} cannot be read as a video ({error.strerror}); convert it to an mp4 in H.264"
        ) from error


def _stream(path: Path, container: "av.container.InputContainer") -> "av.VideoStream":
    """The main video stream, or the first other one that can be decoded; a cover is none."""
    moving = [
        stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    if not moving:
        raise ValueError(f"{path} has no video stream; give a clip that shows a face")
    known = [stream for stream in moving if stream.codec_context is not None]
    if not known:
        raise ValueError(
            f"{path} holds a video whose coding is not known here; convert it to an mp4 in H.264"
        )
    best = container.streams.best("video")
    return next((stream for stream in known if stream == best), known[0])


def sound_of(container: "av.container.InputContainer") -> "av.AudioStream | None":
    """The track of sound that is heard, or the first other one that can be decoded; None where there is none.

    What FFmpeg does not know, such as the spatial sound of some telephones, has no decoder. Of what a
    transport stream announces and never brings, neither rate nor channels are known.
    """
    known = [stream for stream in container.streams.audio if _has_form(stream)]
    best = container.streams.best("audio")
    return next((stream for stream in known if stream == best), next(iter(known), None))


def _has_form(stream: "av.AudioStream") -> bool:
    context = stream.codec_context
    return context is not None and context.sample_rate > 0 and context.channels > 0


def packets(container: "av.container.InputContainer", stream: "av.VideoStream") -> Iterator[av.Packet]:
    """Packets of a stream up to the end or to where the file is broken, then one that empties the decoder.

    Raises what FFmpeg does where not one can be read.
    """
    taken, demuxed = 0, container.demux(stream)
    try:
        for packet in demuxed:
            taken += 1
            yield packet
    except BROKEN:
        if not taken:
            raise
        last = av.Packet()
        last.stream = stream
        yield last


def _stamp(packet: av.Packet, tick_s: float) -> Stamp:
    """What a packet says of its time."""
    decoded_s = None if packet.dts is None else packet.dts * tick_s
    shown_s = decoded_s if packet.pts is None else packet.pts * tick_s
    return Stamp(shown_s, decoded_s, (packet.duration or 0) * tick_s)


class Decoded:
    """The pictures of a clip in the order of being shown, without the `damaged` ones, which it counts."""

    def __init__(
        self, container: "av.container.InputContainer", stream: "av.VideoStream", *, takes_corrupt: bool
    ) -> None:
        self.container, self.stream, self.takes_corrupt = container, stream, takes_corrupt
        self.whole = self.damaged = 0

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for packet in packets(self.container, self.stream):
            for frame in self.of(packet):
                self.whole += 1
                yield frame

    def of(self, packet: av.Packet) -> Iterator[av.VideoFrame]:
        """The pictures that come of one packet."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self.damaged += bool(packet.size)
            return
        for frame in frames:
            assert isinstance(frame, av.VideoFrame)
            if frame.is_corrupt and not self.takes_corrupt:
                self.damaged += 1
            else:
                yield frame


@dataclass
class Contents:
    """What the packets of a clip tell: `stamps`, the `first` picture, numbers of faulty ones."""

    first: av.VideoFrame
    takes_corrupt: bool
    stamps: list[Stamp] = field(repr=False)
    missing: int
    damaged: int


def look_through(
    path: str | Path, container: "av.container.InputContainer", stream: "av.VideoStream"
) -> Contents:
    """Read all packets of a clip and decode its first picture; where there are signs of damage, all of them.

    Raises ValueError where there is no picture, or too few are left.
    """
    first, faulty, left, zeroed = None, None, PATIENCE, False
    decoder, stamps, tick_s = Decoded(container, stream, takes_corrupt=True), [], float(stream.time_base or 0)
    for packet in packets(container, stream):
        if packet.size and not packet.is_discard:
            stamps.append(_stamp(packet, tick_s))
            zeroed = zeroed or bytes(memoryview(packet)[: len(ZEROS)]) == ZEROS
        if first is None and left:
            frame = next(decoder.of(packet), None)
            left -= faulty is not None
            if frame is not None and frame.is_corrupt:
                faulty = faulty or frame
            else:
                first = frame
    found = first or faulty
    if found is None:
        raise ValueError(f"{path} holds no video frame; give a clip that shows a face")
    missing = _missing(container, stream)
    if len(stamps) < LEAST_WHOLE * (len(stamps) + missing):
        raise ValueError(f"{path} ends before its last frame; copy or download it again, it is incomplete")
    damaged = _damaged(path, takes_corrupt=first is None) if zeroed else 0
    if len(stamps) - damaged < LEAST_WHOLE * len(stamps):
        raise ValueError(
            f"{path} is damaged, {damaged} of its {len(stamps)} frames; copy or download it again"
        )
    return Contents(found, first is None, stamps, missing, damaged)


def _damaged(path: str | Path, *, takes_corrupt: bool) -> int:
    """Number of frames that cannot be decoded."""
    with reading(path) as (container, stream):
        decoded = Decoded(container, stream, takes_corrupt=takes_corrupt)
        for _ in decoded:
            pass
        return decoded.damaged


def _missing(container: "av.container.InputContainer", stream: "av.VideoStream") -> int:
    """Number of frames that the index of an mp4 has behind the end of the file."""
    if "mp4" not in container.format.name:
        return 0
    return sum(entry.pos + entry.size > container.size for entry in stream.index_entries)

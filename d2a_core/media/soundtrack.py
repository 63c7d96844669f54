"""Sound of one video carried into another: copied where an mp4 can hold it, else encoded as AAC."""

import io
import logging
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.audio.frame import AudioFrame

from d2a_core.media.clip_clock import Clock
from d2a_core.media.clip_packets import sound_of

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.filter import Graph

LOG = logging.getLogger("d2a")
COPIED = {"aac", "mp3", "ac3", "eac3", "alac"}  # what players expect in an mp4; FLAC and Opus fail in some
AAC_BIT_RATE = 160_000  # Hz: transparent for two channels
AAC_SAMPLE_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
SLOWEST = 0.5  # tempo of one filter; more is slowed by several in a row
PREROLL_S = 0.1  # of copied sound before the first picture: decoders need a packet or two to start


class Soundtrack:
    """The sound of `source`, muxed into `target` in step with the pictures.

    `clock` tells what time of the source's clock is which of the result's. It plays at `tempo`, its pitch
    kept.
    `advance` muxes what belongs before a moment, so that neither pictures nor sound pile up in memory.
    """

    def __init__(
        self, source: "InputContainer", target: "OutputContainer", clock: Clock, *, tempo: float = 1.0
    ) -> None:
        self.target, self.clock, self.tempo = target, clock, tempo
        stream = sound_of(source)
        assert stream is not None, f"{source.name} has no sound that can be decoded"
        if tempo == 1 and stream.codec_context.codec.canonical_name in COPIED and _can_be_copied(source):
            self.stream: av.AudioStream = target.add_stream_from_template(stream)
            packets = self._copied(source, stream)
        else:
            self.stream = _encoder(target, stream)
            packets = self._encoded(source, stream)
        self._packets = packets
        self._next: av.Packet | None = None

    def advance(self, until_s: float) -> None:
        """Mux the packets that start before `until_s`, seconds after the first picture."""
        while True:
            self._next = self._next or self._read()
            if self._next is None or float((self._next.pts or 0) * _tick_s(self._next)) >= until_s:
                return
            self._next.stream = self.stream
            try:
                self.target.mux(self._next)
            except av.ArgumentError as error:  # copied sound that an mp4 cannot hold; a full disk is told
                self._end(error)
            self._next = None

    def _read(self) -> av.Packet | None:
        try:
            return next(self._packets, None)
        except (av.FFmpegError, ValueError) as error:  # not worth losing the video for
            self._end(error)
            return None

    def _end(self, error: Exception) -> None:
        LOG.warning("the sound of the clip ends early, for it is faulty there (%s)", error)
        self._packets = iter(())

    def _copied(self, source: "InputContainer", stream: "av.AudioStream") -> Iterator[av.Packet]:
        last = None
        for packet in source.demux(stream):
            if packet.pts is None:  # the end of the stream, or a packet that nobody could place
                continue
            packet.pts += self._shift(packet)
            packet.dts = packet.pts  # sound has no other order
            if last is not None and packet.pts <= last:  # of two recordings, where the first has more sound
                continue
            last = packet.pts
            if float((packet.pts + (packet.duration or 0)) * _tick_s(packet)) > -PREROLL_S:
                yield packet

    def _shift(self, timed: av.Packet | AudioFrame) -> int:
        """Ticks by which a piece of sound is later in the result than in the source."""
        assert timed.pts is not None
        self.clock.at(float(timed.pts * _tick_s(timed)))
        return round(self.clock.offset_s / float(_tick_s(timed)))

    def _encoded(self, source: "InputContainer", stream: "av.AudioStream") -> Iterator[av.Packet]:
        graph = _in_step(stream, self.stream, self.tempo)
        for frame in _alike(_decoded(source, stream), stream):
            frame.pts = (frame.pts or 0) + self._shift(frame)
            graph.push(frame)
            yield from self._pulled(graph)
        graph.push(None)
        yield from self._pulled(graph)
        yield from self.stream.encode()

    def _pulled(self, graph: "Graph") -> Iterator[av.Packet]:
        while True:
            try:
                frame = graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, AudioFrame)
            yield from self.stream.encode(frame)


def _tick_s(timed: av.AudioStream | av.Packet | AudioFrame) -> Fraction:
    """Length in s of a tick of the clock; all sound that can be decoded has one."""
    assert timed.time_base is not None
    return timed.time_base


def _decoded(source: "InputContainer", stream: "av.AudioStream") -> Iterator[AudioFrame]:
    """Frames that have a time; a damaged packet leaves a gap."""
    for packet in source.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:  # AAC's decoder has numbers of its own for what is wrong
            continue
        yield from (frame for frame in frames if frame.pts is not None)


def _alike(frames: Iterable[AudioFrame], stream: "av.AudioStream") -> Iterator[AudioFrame]:
    """The frames in the form of the stream: what has other channels or another rate midway is converted."""
    context, last, converter = stream.codec_context, None, None
    wanted = context.format.name, context.layout.name, context.sample_rate
    for frame in frames:
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form == wanted:
            yield frame
            continue
        if form != last:
            converter, last = av.AudioResampler(*wanted), form
        assert converter is not None
        for even in converter.resample(frame):
            if even.pts is not None and even.time_base is not None:
                even.pts = round(even.pts * even.time_base / _tick_s(stream))
            even.time_base = _tick_s(stream)
            yield even


def _can_be_copied(source: "InputContainer") -> bool:
    """Whether the sound is whole and has the same channels and rate throughout, and an mp4 takes its packets.

    A muxer that looks into AC-3 fails for the pictures, too, where it meets a damaged packet.
    """
    opened = av.open(source.name, options=source.options, metadata_errors="replace")
    forms = set()
    try:
        with opened as again, av.open(io.BytesIO(), "w", format="mp4") as trial:
            stream = sound_of(again)
            assert stream is not None
            copy = trial.add_stream_from_template(stream)
            for number, packet in enumerate(again.demux(stream)):
                frames = (frame for frame in packet.decode() if isinstance(frame, AudioFrame))
                forms |= {(frame.layout.name, frame.sample_rate) for frame in frames}
                if packet.size:
                    packet.stream, packet.pts, packet.dts = copy, number, number
                    trial.mux(packet)
    except av.FFmpegError:
        return False
    return len(forms) == 1


def _encoder(target: "OutputContainer", stream: "av.AudioStream") -> "av.AudioStream":
    rate = stream.codec_context.sample_rate
    encoder = target.add_stream(
        "aac",
        rate=rate if rate in AAC_SAMPLE_RATES else 48000,
        layout="mono" if stream.codec_context.channels == 1 else "stereo",
    )
    encoder.codec_context.bit_rate = AAC_BIT_RATE
    encoder.codec_context.flags |= av.codec.context.Flags.bitexact
    return encoder


def _in_step(stream: "av.AudioStream", encoder: "av.AudioStream", tempo: float) -> "Graph":
    """Filter that starts at time 0, fills or cuts where the clock of the sound jumps, and keeps `tempo`."""
    graph, context = av.filter.Graph(), encoder.codec_context
    form = f"sample_fmts=fltp:sample_rates={context.sample_rate}:channel_layouts={context.layout.name}"
    graph.link_nodes(
        graph.add_abuffer(template=stream),
        graph.add("aresample", f"{context.sample_rate}:async=1:first_pts=0"),
        graph.add("aformat", form),
        *(graph.add("atempo", str(part)) for part in _tempos(tempo)),
        graph.add("abuffersink"),
    ).configure()
    return graph


def _tempos(tempo: float) -> list[float]:
    """Factors whose product is `tempo`, each one that FFmpeg's filter takes; none for 1."""
    if tempo == 1:
        return []
    count = max(1, math.ceil(math.log(tempo, SLOWEST)))
    return [tempo ** (1 / count)] * count

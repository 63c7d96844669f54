"""Clips as cameras, copies and editors leave them: made of few small pictures that tell their number."""

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

HEIGHT, WIDTH, RATE = 64, 96, 30
BITS = 7  # of a number that a picture shows


def numbered(number, height=HEIGHT, width=WIDTH):
    """A picture that shows its number as bright and dark fields, over noise that keeps it from being tiny."""
    image = np.random.default_rng(number).integers(90, 130, (height, width, 3)).astype(np.uint8)
    for bit in range(BITS):
        columns = slice(bit * width // BITS, (bit + 1) * width // BITS)
        image[height // 4 : -height // 4, columns] = 225 if number >> bit & 1 else 30
    return image


def number_of(image):
    """The number that a picture of any size shows."""
    height, width = image.shape[:2]
    row = image[3 * height // 8 : 5 * height // 8].mean(axis=(0, 2))
    return sum(int(row[round((bit + 0.5) * width / BITS)] > 128) << bit for bit in range(BITS))


def packets(count, codec="libx264", *, first=0, gop=10, form="yuv420p", rate=RATE, stamps=None, **options):
    """Encoded pictures of the numbers from `first` on, with stamps from 0 on in 1 / `rate` s."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, form
    encoder.time_base, encoder.framerate = Fraction(1, rate), Fraction(rate)
    encoder.gop_size, encoder.options = gop, options
    made = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(numbered(first + number), format="rgb24").reformat(format=form)
        frame.pts, frame.time_base = (stamps[number] if stamps else number), Fraction(1, rate)
        made += encoder.encode(frame)
    return [*made, *encoder.encode()]


def mux(
    path, encoded: Sequence[av.Packet], codec="libx264", *, start_s=0.0, rate=RATE, together=1, **options
):
    """Write encoded pictures, `together` of them in a packet of one stamp, from `start_s` of the clock on.

    `restamp` may give each packet other stamps (shown, decoded) in s, or None for none; `movflags` and
    `matrix` are those of an mp4.
    """
    restamp = options.get("restamp", lambda number, shown_s, decoded_s: (shown_s, decoded_s))
    settings = {"movflags": options["movflags"]} if "movflags" in options else {}
    with av.open(str(path), "w", options=settings) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, options.get("form", "yuv420p")
        if "matrix" in options:
            stream.set_display_matrix(options["matrix"])
        for number in range(0, len(encoded), together):
            group = encoded[number : number + together]
            packet = av.Packet(b"".join(bytes(one) for one in group))
            packet.stream, packet.time_base = stream, Fraction(1, 90000)
            packet.is_keyframe = group[0].is_keyframe
            times = [float(stamp * group[0].time_base) + start_s for stamp in (group[0].pts, group[0].dts)]
            shown_s, decoded_s = restamp(number, *times)
            packet.pts = None if shown_s is None else round(shown_s * 90000)
            packet.dts = None if decoded_s is None else round(decoded_s * 90000)
            container.mux(packet)
    return path


def joined(path, *parts):
    """Write files one behind the other, as `cat` does."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def spans_of(path):
    """Where each packet of the pictures of an mp4 lies in the file: offset and size."""
    with av.open(str(path)) as container:
        return [(entry.pos, entry.size) for entry in container.streams.video[0].index_entries]


def overwritten(path, source, start, end, content=b"\0"):
    """A copy whose bytes from `start` to `end`, shares of the file, are lost."""
    data = bytearray(source.read_bytes())
    first, last = round(start * len(data)), round(end * len(data))
    data[first:last] = (content * (last - first))[: last - first]
    path.write_bytes(data)
    return path

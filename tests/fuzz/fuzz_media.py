"""Fuzz the readers of clips and photos with mutations of small genuine files.

From the root of the repository, in its environment:

    python tests/fuzz/fuzz_media.py clips FINDINGS --seconds 600
    python tests/fuzz/fuzz_media.py photos FINDINGS --seconds 600
    python tests/fuzz/fuzz_media.py again FINDINGS    # what it keeps, once more

Every input is read in a process of its own, of bounded memory. What ends otherwise than with pictures, as
many as `probe` says, or with a ValueError of one sentence that names the file, is kept in the folder
FINDINGS: an exception, a crash, or more than 30 s. The pictures of a clip with sound are written with it;
what the sound is like may not cost one of them.
"""

import argparse
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import av  # noqa: E402
import heif_files  # noqa: E402
import numpy as np  # noqa: E402
from odd_clips import HEIGHT, RATE, WIDTH, mux, numbered, packets  # noqa: E402
from PIL import Image  # noqa: E402

from d2a_core.media import photos, recognition, video_reading, video_writing  # noqa: E402

MOST_S = 30
MEMORY = 4 << 30  # bytes of address space


def clips(folder):
    """Five small clips of five containers, four of them with sound of four kinds, and one without."""
    for name, codec, form, sound, options in (
        ("a.mp4", "libx264", "yuv420p", "aac", {}),
        ("a.mkv", "libx265", "yuv420p", "ac3", {}),
        ("a.ts", "mpeg2video", "yuv420p", "mp2", {"flags": "+ildct+ilme"}),  # interlaced
        ("a.avi", "mjpeg", "yuvj420p", "libmp3lame", {}),
    ):
        encoded = packets(20, codec, form=form, **options)
        yield with_sound(folder / name, encoded, codec, form=form, sound=sound)
    yield mux(folder / "b.mp4", packets(20))
    pictures = [Image.fromarray(numbered(number)) for number in range(5)]
    pictures[0].save(folder / "a.webp", save_all=True, append_images=pictures[1:], duration=100)
    yield folder / "a.webp"


def with_sound(path, encoded, codec, *, form, sound):
    """Write encoded pictures with a tone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, form
        track = container.add_stream(sound, rate=44100, layout="stereo")
        tone = np.sin(np.arange(round(len(encoded) / RATE * 44100)) / 16)
        samples = av.AudioFrame.from_ndarray(
            np.repeat(9000 * tone, 2).astype(np.int16)[None], "s16", "stereo"
        )
        samples.sample_rate, samples.pts, samples.time_base = 44100, 0, Fraction(1, 44100)
        even = av.AudioResampler(track.codec_context.format, "stereo", 44100, track.frame_size or 1024)
        made = list(encoded)
        for packet in encoded:
            packet.stream = stream
        for chunk in [*even.resample(samples), *even.resample(None)]:
            made += track.encode(chunk)
        made += track.encode()
        for packet in sorted(made, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def stills(folder):
    """Seven small photos of six formats, with metadata or HDR."""
    picture = Image.fromarray(numbered(77, 128, 160))
    exif = picture.getexif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    for name in ("a.jpg", "a.png", "a.webp", "a.avif", "a.tif"):
        picture.save(folder / name, exif=exif)
        yield folder / name
    pixels = numbered(77, 128, 160)
    yield heif_files.write(folder / "a.heic", pixels, tile=64, turns=1)
    hdr = {"coded": heif_files.av1, "brand": b"avif", "tags": (9, 16, 9, True)}
    yield heif_files.write(folder / "b.avif", pixels, tile=64, **hdr)


def mutated(data, rng):
    """A copy with one to eight faults of any kind."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        start = int(len(data) * rng.random() ** 2)  # headers are near the start
        count = int(rng.choice([1, 1, 2, 4, 16, 200, 2000]))
        end = min(len(data), start + count)
        fault = rng.integers(7)
        if fault == 0:
            data[start:end] = rng.bytes(end - start)
        elif fault == 1:
            data[start:end] = bytes(end - start)
        elif fault == 2:
            data[start:end] = b"\xff" * (end - start)
        elif fault == 3:
            del data[start:end]
        elif fault == 4:
            data[start:start] = data[start:end]
        elif fault == 5 and start < len(data):
            data[start] ^= 1 << int(rng.integers(8))
        elif fault == 6 and rng.random() < 0.3:
            del data[start:]
    return bytes(data)


def read_clip(path):
    info = video_reading.probe(path)
    count = 0
    for frame in video_reading.read_frames(path):
        assert frame.image.shape == (info.height, info.width, 3), (frame.image.shape, info)
        count += 1
    assert count == info.frames, (count, info)
    assert all(note.startswith(str(path)) and "\n" not in note for note in info.notes), info.notes
    result = path.with_suffix(".result.mp4")
    try:
        images = (frame.image[: HEIGHT // 2, : WIDTH // 2] for frame in video_reading.read_frames(path))
        video_writing.write_frames(images, result, rate=info.rate, metadata={}, audio=path)
        with av.open(str(result)) as container:
            written = container.streams.video[0].frames
        assert written == info.frames, (written, info)
    finally:
        result.unlink(missing_ok=True)


def read_photo(path):
    photo = photos.read_photo(path)
    assert photo.image.ndim == 3 and photo.image.shape[2] == 3
    assert all("\n" not in note for note in photo.notes), photo.notes


def attempt(read, path):
    """None where a file is read or refused as it should be; else what went wrong."""
    try:
        recognition.kind_of_file(path)
        read(path)
    except ValueError as error:
        message = str(error)
        if not (message.startswith(str(path)) and "\n" not in message and "; " in message):
            return f"no sentence: {traceback.format_exc()}"
    except BaseException:  # noqa: BLE001
        return traceback.format_exc()
    return None


def apart(read, path):
    """`attempt` in a process of its own; tells of crashes and hangs, too."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.close(told)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what decoders complain of
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.write(tell, (attempt(read, path) or "").encode()[-3000:])
        os._exit(0)
    os.close(tell)
    ready, _, _ = select.select([told], [], [], MOST_S)
    if not ready:
        os.kill(child, signal.SIGKILL)
    words = os.read(told, 4000).decode() if ready else f"more than {MOST_S} s"
    os.close(told)
    _, status = os.waitpid(child, 0)
    return words or (f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) and ready else "")


def repeat(findings):
    """Read what was kept once more."""
    for note in sorted(findings.glob("*.txt")):
        path = note.with_suffix("")
        words = apart(read_clip, path) or apart(read_photo, path)
        print(path.name, words.strip().splitlines()[-1] if words else "as it should be", flush=True)


def main():
    """Mutate and read until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("clips", "photos", "again"))
    parser.add_argument("findings", type=Path)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    av.logging.set_level(None)
    given.findings.mkdir(parents=True, exist_ok=True)
    if given.what == "again":
        repeat(given.findings)
        return
    read, make = {"clips": (read_clip, clips), "photos": (read_photo, stills)}[given.what]
    with tempfile.TemporaryDirectory() as scratch:
        genuine = {path.name: path.read_bytes() for path in make(Path(scratch))}
        until, number, found = time.monotonic() + given.seconds, 0, 0
        while time.monotonic() < until:
            rng = np.random.default_rng((given.seed, number))
            name = sorted(genuine)[number % len(genuine)]
            path = Path(scratch) / f"{number}-{name}"
            path.write_bytes(mutated(genuine[name], rng))
            words = apart(read, path)
            if words:
                found += 1
                path.rename(given.findings / path.name)
                (given.findings / f"{path.name}.txt").write_text(words)
                print(path.name, words.strip().splitlines()[-1], flush=True)
            path.unlink(missing_ok=True)
            number += 1
    print(f"{number} inputs, {found} findings")


if __name__ == "__main__":
    main()

"""What a file is, whatever it is called."""

import io
import zipfile

import av
import numpy as np
import pytest
from odd_clips import mux, numbered, packets
from PIL import Image

from d2a_core.media import photos
from d2a_core.media.recognition import kind_of_file
from d2a_core.store import tables


def picture_bytes(form, count=1):
    stream = io.BytesIO()
    pictures = [Image.fromarray(numbered(number)) for number in range(count)]
    more = {"save_all": True, "append_images": pictures[1:]} if count > 1 else {}
    pictures[0].save(stream, format=form, **more)
    return stream.getvalue()


def clip_bytes(folder, name, codec="libx264", **options):
    path = folder / f"made {name}"
    return mux(path, packets(10, codec, **options), codec, **options).read_bytes()


def sound_bytes(folder, name, codec):
    with av.open(str(folder / f"made {name}"), "w") as container:
        track = container.add_stream(codec, rate=48000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.int16), "s16", "mono")
        samples.sample_rate = 48000
        container.mux([*track.encode(samples), *track.encode()])
    return (folder / f"made {name}").read_bytes()


def table_bytes(folder):
    tables.write_parquet({"a": [1]}, folder / "made.parquet", metadata={})
    return (folder / "made.parquet").read_bytes()


def archive_bytes():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", "b")
    return stream.getvalue()


CONTENTS = {  # name → kind and words, how it is made
    "JPEG": ("picture", "a picture", lambda folder: picture_bytes("JPEG")),
    "MPO": ("picture", "a picture", lambda folder: picture_bytes("MPO", 2)),
    "TIFF of two pages": ("picture", "a picture", lambda folder: picture_bytes("TIFF", 2)),
    "GIF of one picture": ("picture", "a picture", lambda folder: picture_bytes("GIF")),
    "AVIF": ("picture", "a picture", lambda folder: picture_bytes("AVIF")),
    "GIF": ("video", "an animated picture", lambda folder: picture_bytes("GIF", 3)),
    "WebP": ("video", "an animated picture", lambda folder: picture_bytes("WEBP", 3)),
    "APNG": ("video", "an animated picture", lambda folder: picture_bytes("PNG", 3)),
    "AVIF sequence": ("video", "an animated picture", lambda folder: picture_bytes("AVIF", 3)),
    "HEIC": ("picture", "a HEIC picture", lambda folder: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)),
    "mp4": ("video", "a video", lambda folder: clip_bytes(folder, "a.mp4")),
    "transport stream": ("video", "a video", lambda folder: clip_bytes(folder, "a.ts")),
    "Matroska": ("video", "a video", lambda folder: clip_bytes(folder, "a.mkv")),
    "AVI": ("video", "a video", lambda folder: clip_bytes(folder, "a.avi", "mpeg4")),
    "program stream": ("video", "a video", lambda folder: clip_bytes(folder, "a.mpg", "mpeg2video")),
    "WAV": ("sound", "a sound without pictures", lambda folder: sound_bytes(folder, "a.wav", "pcm_s16le")),
    "M4A": ("sound", "a sound without pictures", lambda folder: sound_bytes(folder, "a.m4a", "aac")),
    "table": ("table", "a table", table_bytes),
    "archive": (None, "an archive", lambda folder: archive_bytes()),
    "PDF": (None, "a PDF", lambda folder: b"%PDF-1.7\n" + bytes(99)),
    "letter": ("text", "a text", lambda folder: "Liebe Grüße\n".encode() * 2000),
    "page": ("text", "a web page", lambda folder: b"\xef\xbb\xbf<!DOCTYPE html><html></html>"),
    "nothing": (None, "a file of no known kind", lambda folder: b""),
    "noise": (None, "a file of no known kind", lambda folder: np.random.default_rng(3).bytes(5000)),
}


@pytest.mark.parametrize("suffix", ["", ".jpg", ".mp4", ".parquet", ".txt"])
@pytest.mark.parametrize("name", CONTENTS)
def test_the_content_decides_what_a_file_is(tmp_path, name, suffix):
    kind, words, make = CONTENTS[name]
    if name == "program stream" and suffix == ".jpg":
        kind, words = None, "a file of no known kind"  # its sign is weak, FFmpeg believes the name
    path = tmp_path / f"input{suffix}"
    path.write_bytes(make(tmp_path))
    found = kind_of_file(path)
    assert (found.name, found.words) == (kind, words)


@pytest.mark.parametrize("name", ["mp4", "transport stream", "WAV", "table", "letter"])
def test_what_is_given_as_a_photo_and_is_none_is_named(tmp_path, name):
    _, words, make = CONTENTS[name]
    (tmp_path / "me.jpg").write_bytes(make(tmp_path))
    with pytest.raises(ValueError, match=f"me.jpg is {words}, not a picture that can be read; give"):
        photos.read_photo(tmp_path / "me.jpg")


def test_folders_are_told_apart(tmp_path):
    assert kind_of_file(tmp_path).words == "a folder"
    Image.fromarray(numbered(0)).save(tmp_path / "1.png")
    assert (kind_of_file(tmp_path).name, kind_of_file(tmp_path).words) == (
        "video",
        "a folder of numbered pictures",
    )

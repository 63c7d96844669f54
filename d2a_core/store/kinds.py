"""Kinds of artefacts by the end of a name; what a user's file is its content tells, `media.recognition`."""

from pathlib import PurePath

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff")
VIDEOS = (
    *(".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif"),
    *(".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".apng", ".frames"),
)
KINDS = {
    "table": (".parquet",),
    "store": (".zarr",),
    "checkpoint": (".pt", ".pth"),
    "safetensors": (".safetensors",),
    "picture": PICTURES,
    "video": VIDEOS,
    "json": (".json",),
    "text": (".md", ".txt", ".log", ".tsv", ".yaml", ".html"),
}


def kind_of(path: str | PurePath) -> str | None:
    """One of `KINDS`; None where the name tells none."""
    suffix = PurePath(path).suffix.lower()
    return next((kind for kind, suffixes in KINDS.items() if suffix in suffixes), None)

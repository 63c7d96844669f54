"""Kinds of artefacts and of users' files, by the end of a name."""

from pathlib import PurePath

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
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

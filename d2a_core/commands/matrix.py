"""Several photos, several clips: a job for every pair."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, product
from pathlib import Path
from typing import Any, TypeVar

import click

from d2a_core.commands.requests import PART_DRIVERS, Request, default_output, option
from d2a_core.commands.runs import Outcome

Each = TypeVar("Each")
ALL = "all"  # of the faces on a photo
PREVIEW = "--preview"  # at the end of the name of one, which must not take the place of the true video


class FaceNumber(click.ParamType):
    """The number of a face, or `ALL`."""

    name = "face"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Read a word of the command line."""
        return ALL if value == ALL else click.INT.convert(value, param, ctx)


OPTIONS: Mapping[str, Mapping[str, Any]] = {  # of `d2a animate` that differ from those of one job
    "source": {
        "help": "More photos of faces, beside PHOTO, or seed:N for a face that does not exist.",
        "required": False,
        "multiple": True,
        "metavar": "PHOTO...",
    },
    "driving": {
        "help": "Videos or pictures of a face, or driving tables (.parquet).",
        "multiple": True,
        "metavar": "CLIP...",
    },
    "face": {
        "help": "Which face of the photo: 1 the largest, 2 the next, …, or all, in the whole photo.",
        "type": FaceNumber(),
        "metavar": f"N|{ALL}",
    },
    "output": {
        "help": "The video to write; with several photos or clips, the folder of all videos.  "
        "[default: <source>--<driving>.mp4]"
    },
    "side_by_side": {
        "help": "Also write source, driver and result beside one another; of several videos, into a folder."
    },
}
GREEDY = tuple(option(name) for name, words in OPTIONS.items() if words.get("multiple"))


class Command(click.Command):
    """A command whose options in `GREEDY` take all words up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each of their words an option of its own, as click has it."""
        return super().parse_args(ctx, list(_repeated(args)))


def _repeated(words: Iterable[str]) -> Iterator[str]:
    """`--driving x y` as `--driving x --driving y`."""
    left, current, filled = iter(words), "", False
    for word in left:
        name, equals, _ = word.partition("=")
        if word == "--":
            yield from (word, *left)
        elif word.startswith("-"):
            current, filled = name, bool(equals)
            yield word
        else:
            yield from (current, word) if filled and current in GREEDY else (word,)
            filled = True


def requests_of(sources: Sequence[str], clips: Sequence[Path], given: Mapping[str, Any]) -> list[Request]:
    """Requests for every source with every clip, those given twice once; `given` are their other fields.

    Several have the folders of `given` in common, and names of their own there. Raises ValueError where one
    of these is the name of a video.
    """
    drivers: list[Path | None] = [*_once(clips, Path.resolve)]
    pairs = list(product(_once(sources, _place), drivers or [None]))
    kind = PREVIEW if given["preview"] else ""
    parts = [given[name] for name in PART_DRIVERS]
    stems = _apart(f"{default_output(source, clip, *parts).stem}{kind}" for source, clip in pairs)
    faces = {"all_faces": True, "face": None} if given["face"] == ALL else {}
    own = [_own(given, stem, len(pairs)) for stem in stems]
    return [
        Request(**{**given, **faces, **places, "source": source, "driving": clip})
        for (source, clip), places in zip(pairs, own, strict=True)
    ]


def _once(given: Iterable[Each], place: Callable[[Each], object]) -> list[Each]:
    """What is `given`, that of one `place` once, in the order in which it first came."""
    found: dict[object, Each] = {}
    for each in given:
        found.setdefault(place(each), each)
    return list(found.values())


def _place(source: str) -> str | Path:
    """What makes a source the same as another: its path, or its seed."""
    return source if source.startswith("seed:") else Path(source).resolve()


def _apart(stems: Iterable[str]) -> list[str]:
    """Names for files, numbered where there was one before; some disks do not tell A from a."""
    taken: dict[str, str] = {}
    for stem in stems:
        names = chain([stem], (f"{stem}-{number}" for number in count(2)))
        name = next(name for name in names if name.casefold() not in taken)
        taken[name.casefold()] = name
    return list(taken.values())


def _own(given: Mapping[str, Any], stem: str, videos: int) -> dict[str, Path]:
    """Where one of some `videos`, called `stem`, leaves what the user wants to have."""
    if videos == 1:
        return {"output": given["output"] or Path(f"{stem}.mp4")}
    kinds = {"output": f"{stem}.mp4", "side_by_side": f"{stem}--side-by-side.mp4", "frames": stem}
    for name in kinds:
        _check_folder(option(name), given[name], videos)
    folders = {name: given[name] for name in kinds} | {"output": given["output"] or Path()}
    return {name: folder / kinds[name] for name, folder in folders.items() if folder is not None}


def _check_folder(name: str, path: Path | None, videos: int) -> None:
    if path is None or path.is_dir():
        return
    if path.exists() or path.suffix.lower() == ".mp4":
        raise ValueError(f"{name} {path} is no folder, but {videos} videos are to be made; give a folder")


def rows(wanted: Sequence[Request], outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each job: source, clips, and where its video is or why there is none."""
    cells = [
        (request.source, " + ".join(map(str, request.drivers.values())), _ended(request, outcome))
        for request, outcome in zip(wanted, outcomes, strict=True)
    ]
    source, clip = (max(len(row[column]) for row in cells) for column in (0, 1))
    return [f"{row[0]:<{source}}  {row[1]:<{clip}}  {row[2]}" for row in cells]


def _ended(request: Request, outcome: Outcome) -> str:
    """Where the video of a job is, or why there is none."""
    if outcome.reason is None:
        return str(request.output)
    made = f"{request.output}, but " if request.output in outcome.paths.values() else ""
    return f"{made}failed: {outcome.reason}"

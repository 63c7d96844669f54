"""Pairs of the evaluation (paper, section 4): one table, on which every method is scored.

A set holds faces by name: sources `s00000`, …, targets `t…`, augmented sources `a…` (generator only) and
references `r…`, which no method sees and realism is measured against. Frames of a clip are `f…`.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pyarrow

from d2a_core.config import HELD_OUT
from d2a_core.store.kinds import PICTURES, VIDEOS

CROSS, SELF, SEQUENCE, FINETUNING = "cross-identity", "self-driving", "sequence-driving", "fine-tuning"
NO_PASSES = -1  # of a method that has none
FACES = "results/evaluation/faces"


@dataclass(frozen=True)
class Options:
    """Config section `evaluation.protocols`."""

    pairs: int
    sources: int
    frames: int
    finetuned: int
    seed: int


@dataclass(frozen=True)
class Pair:
    """One source and one target; `clip` and `frame` say where a target comes from (empty and -1: no clip).

    Pictures of results are called by the `number`, the row in the table.
    """

    number: int
    protocol: str
    dataset: str
    source: str
    target: str
    source_image: str
    target_image: str
    clip: str = ""
    frame: int = -1


def face_name(kind: str, number: int) -> str:
    """Name of a face in its set: `kind` is s, t, a, r or f."""
    return f"{kind}{number:05d}"


def frame_name(number: int) -> str:
    """Name of a frame that drives."""
    return face_name("f", number)


def number_of(name: str) -> int:
    """The number in a name of `face_name`."""
    return int(name[1:])


def image_path(faces: str, name: str) -> str:
    """Picture of a face, relative to the working directory."""
    return f"{FACES}/{faces}/{name}.png"


def draw(sizes: Mapping[str, int], clips: Sequence[str], options: Options) -> list[Pair]:
    """All pairs of all protocols. `sizes` are the numbers of sources in every set, as many as targets.

    Cross-identity: source i and target i, n of them. Self-driving: source i and an augmentation of it whose
    step is known, on the generator's own set. Sequence-driving: the first sources behind every frame of every
    clip. Fine-tuning: each of the first sources of the generator's set behind targets of its own.
    """
    pairs: list[Pair] = []
    for faces, size in sizes.items():
        pairs += cross(faces, size)
        if faces == HELD_OUT:
            pairs += [_pair(SELF, faces, index, "a", index) for index in range(size)]
        pairs += [
            _frame(faces, source, clip, frame)
            for source in range(min(options.sources, size))
            for clip in clips
            for frame in range(options.frames)
        ]
        if faces == HELD_OUT and options.finetuned:
            each = size // options.finetuned
            pairs += [
                _pair(FINETUNING, faces, source, "t", source * each + target)
                for source in range(options.finetuned)
                for target in range(each)
            ]
    return [replace(pair, number=number) for number, pair in enumerate(pairs)]


def cross(faces: str, size: int) -> list[Pair]:
    """Pairs of the protocol CROSS on a set: source i and target i, called by i."""
    return [replace(_pair(CROSS, faces, index, "t", index), number=index) for index in range(size)]


def _pair(protocol: str, faces: str, source: int, kind: str, target: int) -> Pair:
    own, other = face_name("s", source), face_name(kind, target)
    return Pair(0, protocol, faces, own, other, image_path(faces, own), image_path(faces, other))


def _frame(faces: str, source: int, clip: str, frame: int) -> Pair:
    own, other = face_name("s", source), frame_name(frame)
    pictures = image_path(faces, own), image_path(clip, other)
    return Pair(0, SEQUENCE, f"{faces} × {clip}", own, other, *pictures, clip, frame)


def columns(pairs: Sequence[Pair]) -> dict[str, list]:
    """The table of pairs, whose numbers are the column `pair`."""
    names = [field.name for field in fields(Pair)]
    found = {name: [getattr(pair, name) for pair in pairs] for name in names}
    return {"pair": found.pop("number"), **found}


def pairs_of(table: pyarrow.Table, wanted: Sequence[str]) -> list[Pair]:
    """The pairs in a table of `columns` whose protocol is among the `wanted`."""
    rows = table.rename_columns({"pair": "number"}).to_pylist()
    return [Pair(**row) for row in rows if row["protocol"] in wanted]


def photo_sets(evaluation: Mapping) -> dict[str, dict[str, str]]:
    """Photos by face name, of every data set of images in the section `evaluation`: see `choose_photos`."""
    options = Options(**evaluation["protocols"])
    return {
        entry["name"]: choose_photos(entry["images"], options)
        for entry in evaluation["datasets"]
        if "images" in entry
    }


def set_sizes(evaluation: Mapping, photos: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """Sources in every set: in the generator's own and in those of `photo_sets`."""
    own = {HELD_OUT: evaluation["protocols"]["pairs"]}
    return own | {name: sum(face.startswith("s") for face in faces) for name, faces in photos.items()}


def target_clips(config: Mapping) -> dict[str, str]:
    """Files of the clips whose frames drive, by name: those of the section `driving`, and of data sets."""
    evaluation, driving = config["evaluation"], config["driving"]
    clips = {clip["name"]: f"results/driving/{clip['name']}.mp4" for clip in driving["performances"]}
    for clip in driving["clips"]:
        if not clip["path"].lower().endswith(".parquet"):
            clips[clip["name"]] = clip["path"]
    for entry in evaluation["datasets"]:
        if "clips" in entry:
            found = choose_clips(entry["clips"], Options(**evaluation["protocols"]))
            clips |= {f"{entry['name']}-{number:03d}": path for number, path in enumerate(found)}
    return clips


def choose_photos(folder: str | Path, options: Options) -> dict[str, str]:
    """Photos of a user's folder by face name: sources, targets and references, each photo in one role.

    All pictures below the folder count, as in CelebA-HQ (one folder) and FFHQ (one for each thousand). Raises
    ValueError when there are fewer than three.
    """
    found = _files(folder, PICTURES, "photos")
    size = min(options.pairs, len(found) // 3)
    if not size:
        raise ValueError(f"{folder} holds {len(found)} photos; sources, targets and references need three")
    random.Random(options.seed).shuffle(found)
    kinds = [(kind, number) for kind in "str" for number in range(size)]
    return {face_name(*kind): path for kind, path in zip(kinds, found, strict=False)}


def choose_clips(folder: str | Path, options: Options) -> list[str]:
    """Clips of a user's folder, at most `options.pairs`, drawn by seed.

    All videos below the folder count; of VoxCeleb's layout, person/video/utterance, one clip a person.
    """
    found = _files(folder, VIDEOS, "clips")
    random.Random(options.seed).shuffle(found)
    people: dict[str, str] = {}
    for path in found:
        parts = Path(path).relative_to(folder).parts
        people.setdefault(parts[0] if len(parts) > 2 else path, path)
    return sorted(people.values())[: options.pairs]


def _files(folder: str | Path, suffixes: Sequence[str], what: str) -> list[str]:
    if not Path(folder).is_dir():
        raise ValueError(
            f"evaluation.datasets names the folder {folder}, which does not exist; check its path"
        )
    found = sorted(str(path) for path in Path(folder).rglob("*") if path.suffix.lower() in suffixes)
    if not found:
        raise ValueError(f"{folder} holds no {what} ({', '.join(suffixes)}); name another folder")
    return found


def set_of(path: str) -> str:
    """The set of the face whose picture lies at `path`."""
    return Path(path).parent.name


def name_of(path: str) -> str:
    """The name of the face whose picture lies at `path`."""
    return Path(path).stem

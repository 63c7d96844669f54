"""Inputs of clips: performed ones, the user's own, and combinations of several."""

VIDEOS = expand(
    "results/animations/{source}--{clip}{kind}",
    source=SOURCES,
    clip=CLIPS,
    kind=[".mp4", "--side-by-side.mp4", ".sheet.png", ".figures.parquet"],
)


def file_of(clip):
    """File of the clip of a name: a performed one, a drawn one, or the user's own."""
    if clip in PERFORMANCES + TABLES + COMBINATIONS:
        return f"results/driving/{clip}.mp4"
    return named(config["driving"]["clips"], clip)["path"]


def video_of(wildcards):
    """File of a driving clip."""
    return file_of(wildcards.clip)


def tracked_video_of(wildcards):
    """File of a clip that is tracked."""
    return file_of(wildcards.tracked)


def driving_face_of(wildcards):
    """Number of the face that drives where several are in a clip, 0 for the largest at first."""
    if wildcards.tracked in PERFORMANCES:
        return 0
    return named(config["driving"]["clips"], wildcards.tracked).get("face", 0)


def clip_of_footage(wildcards):
    """File of a clip that is inverted."""
    return file_of(wildcards.footage)


def performance_of(wildcards):
    """Config of a performed clip."""
    return named(config["driving"]["performances"], wildcards.performance)


def table_of(wildcards):
    """Landmark table that the user gives as a clip."""
    return named(config["driving"]["clips"], wildcards.table)["path"]


def clips_by_part(combination):
    """Clips of the combination of a name: see `parts_of`."""
    entry = named(config["driving"]["combinations"], combination)
    return {part: entry[part] for part in PARTS if part in entry}


def parts_of(wildcards):
    """Names of the clips of a combination, by the part that each moves."""
    return clips_by_part(wildcards.combination)


def moved_parts(wildcards):
    """Parts of a face that a clip moves: of a combination those that have a clip."""
    return (
        list(clips_by_part(wildcards.clip))
        if wildcards.clip in COMBINATIONS
        else ["pose", "expression"]
    )


def tables_of_parts(wildcards):
    """Landmark tables of a combination, one for each part that has a clip."""
    clips = clips_by_part(wildcards.combination).values()
    return [f"results/driving/{clip}.parquet" for clip in clips]


def videos_of_parts(wildcards):
    """Videos of a combination, one for each part that has a clip."""
    return [file_of(clip) for clip in clips_by_part(wildcards.combination).values()]


def names_of_seen(wildcards):
    """Clips that show who drives: of a combination all its clips, of a landmark table none."""
    names = [wildcards.clip]
    if wildcards.clip in COMBINATIONS:
        names = clips_by_part(wildcards.clip).values()
    return [name for name in dict.fromkeys(names) if name not in TABLES]


def seen_of(wildcards):
    """Files of the clips that show who drives."""
    return [file_of(name) for name in names_of_seen(wildcards)]


def tracks_of_seen(wildcards):
    """Landmark tables of these."""
    return [f"results/driving/{name}.parquet" for name in names_of_seen(wildcards)]

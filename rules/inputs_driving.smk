"""Inputs of clips: performed ones, the user's own, and combinations of two."""

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


def clip_of_footage(wildcards):
    """File of a clip that is inverted."""
    return file_of(wildcards.footage)


def performance_of(wildcards):
    """Config of a performed clip."""
    return named(config["driving"]["performances"], wildcards.performance)


def table_of(wildcards):
    """Landmark table that the user gives as a clip."""
    return named(config["driving"]["clips"], wildcards.table)["path"]


def combination_of(wildcards):
    """Config of a driver that is made of two clips."""
    return named(config["driving"]["combinations"], wildcards.combination)


def part_of(part, kind):
    """Input function: table or video of the clip that a combination takes its pose or expression from."""

    def found(wildcards):
        clip = combination_of(wildcards)[part]
        return f"results/driving/{clip}.parquet" if kind == "table" else file_of(clip)

    return found


def seen_of(wildcards):
    """Files that show who drives: of a combination those of both clips, of a landmark table none."""
    names = [wildcards.clip]
    if wildcards.clip in COMBINATIONS:
        combination = named(config["driving"]["combinations"], wildcards.clip)
        names = [combination["pose"], combination["expression"]]
    return [file_of(name) for name in dict.fromkeys(names) if name not in TABLES]

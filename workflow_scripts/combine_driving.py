"""Make one driver of several clips, each of which moves parts of it."""

from d2a_core import runtime
from d2a_core.animation import combining, driving
from d2a_core.media import video_reading, video_writing
from d2a_core.store import lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    parts = snakemake.params.parts
    given, videos = (
        dict(zip(parts, paths, strict=True)) for paths in (snakemake.input.tables, snakemake.input.videos)
    )
    drivers = {
        part: combining.driver_of(tables.read_parquet(path), tables.parquet_metadata(path))
        for part, path in given.items()
    }
    track, rate = combining.combine(drivers)
    facts = provenance.provenance(
        stage="driving",
        clip=snakemake.wildcards.combination,
        rate=str(rate),
        detector=lineage.shared_detector(given.values()),
        **given,
        **track.counts,
    )
    tables.write_parquet(driving.table(track), snakemake.output.table, metadata=facts)
    frames = {part: video_reading.read_frames(path) for part, path in videos.items()}
    video_writing.write_frames(
        combining.show(drivers, frames, combining.captions(videos), height=snakemake.params.height),
        snakemake.output.video,
        rate=rate,
        audio=combining.heard(videos),
        metadata={"title": "Combined drivers"},
        progress=runtime.Progress(log, "driving", len(track.found), unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)

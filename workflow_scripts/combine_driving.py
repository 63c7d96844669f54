"""Make one driver of two clips: the head of one, the face of the other."""

from d2a_core import runtime
from d2a_core.animation import combining, driving
from d2a_core.media import video_reading, video_writing
from d2a_core.store import lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, outputs = snakemake.input, snakemake.output
    given = inputs.pose, inputs.expression
    drivers = list(
        map(combining.driver_of, map(tables.read_parquet, given), map(tables.parquet_metadata, given))
    )
    track, rate = combining.combine(*drivers)
    names = dict(zip(combining.CAPTIONS, given, strict=True))
    facts = provenance.provenance(
        stage="driving",
        clip=snakemake.wildcards.combination,
        rate=str(rate),
        detector=lineage.shared_detector(given),
        **names,
        **track.counts,
    )
    tables.write_parquet(driving.table(track), outputs.table, metadata=facts)
    clips = map(video_reading.read_frames, (inputs.pose_video, inputs.expression_video))
    video_writing.write_frames(
        combining.show(*zip(drivers, clips, strict=True), height=snakemake.params.height),
        outputs.video,
        rate=rate,
        audio=inputs.expression_video,
        metadata={"title": "Two drivers"},
        progress=runtime.Progress(log, "driving", len(track.found), unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)

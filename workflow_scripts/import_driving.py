"""Take a landmark table for a clip: check it, and draw it where the clip would be seen."""

from d2a_core import runtime
from d2a_core.animation import driving
from d2a_core.faces import reference
from d2a_core.media import video_writing
from d2a_core.store import lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    given, outputs = snakemake.input.table, snakemake.output
    typical = reference.read(snakemake.input.reference)
    table, metadata = tables.read_driving(given)
    detector = lineage.detector_of(snakemake.input.reference)
    track, rate = driving.adopt(
        table, metadata, typical.layout, clip=given, scheme=typical.scheme, detector=detector
    )
    facts = provenance.provenance(
        stage="driving",
        clip=snakemake.wildcards.table,
        rate=str(rate),
        detector=detector,
        **track.counts,
    )
    tables.write_parquet(driving.table(track), outputs.table, metadata=facts)
    video_writing.write_frames(
        driving.pictures_of(track, size=snakemake.params.size),
        outputs.video,
        rate=rate,
        metadata={"title": "Facial landmarks"},
        progress=runtime.Progress(log, "driving", len(track.found), unit="frames"),
    )
    log.info(
        "driving frames=%(frames)d found=%(found)d interpolated=%(interpolated)d held=%(held)d", track.counts
    )


if __name__ == "__main__":
    main(snakemake)

"""Detect the landmarks of every frame of a clip, in the layout of aligned FFHQ faces."""

from d2a_core import runtime
from d2a_core.animation import driving
from d2a_core.faces import detectors, reference, tracking
from d2a_core.media import video_reading
from d2a_core.store import provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    detector = detectors.of_job(snakemake, snakemake.input.reference, box="detect")
    clip = video_reading.probe(snakemake.input.video)
    track = driving.track(
        video_reading.read_frames(snakemake.input.video),
        tracking.follower(
            detector,
            snakemake.input.identity,
            rate_hz=float(clip.rate),
            number=snakemake.params.face,
            clip=snakemake.input.video,
        ),
        reference.read(snakemake.input.reference).layout,
        clip=snakemake.input.video,
        rate=clip.rate,
        smoothing_hz=snakemake.params.smoothing_hz,
        progress=runtime.Progress(log, "driving", clip.frames, unit="frames"),
    )
    facts = provenance.provenance(
        stage="driving",
        clip=snakemake.wildcards.tracked,
        rate=str(clip.rate),
        options=detector.options,
        detector=detector.name,
        **track.counts,
    )
    tables.write_parquet(driving.table(track), snakemake.output.table, metadata=facts)
    log.info(
        "driving frames=%(frames)d found=%(found)d interpolated=%(interpolated)d held=%(held)d", track.counts
    )


if __name__ == "__main__":
    main(snakemake)

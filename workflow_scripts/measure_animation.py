"""Measure how well a video follows its clip and keeps its source."""

from d2a_core import runtime
from d2a_core.animation import assessment
from d2a_core.faces import detectors, dlib_identity, dlib_landmarks, reference
from d2a_core.media import images, video_reading
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    detector = detectors.of_job(snakemake, inputs.driving)
    photo, embedder = images.read_image(inputs.image), dlib_identity.DlibEmbedder(inputs.identity)
    figures = assessment.assess(
        video_reading.read_frames(inputs.video),
        photo,
        detector.detect(photo[None]).points,
        assessment.Driving(
            **assessment.ways(
                tables.read_parquet(inputs.driving), arrays.read_zarr(inputs.latents, ["target", "time_s"])
            ),
            faces=assessment.driver_faces(inputs.driver, map(tables.read_parquet, inputs.tracks), embedder),
            strangers=reference.read(inputs.reference).strangers,
        ),
        detector,
        embedder,
        dlib_landmarks.DlibLandmarks(inputs.identity),
        progress=runtime.Progress(log, "animations", video_reading.probe(inputs.video).frames, unit="frames"),
    )
    names = {"source": snakemake.wildcards.source, "clip": snakemake.wildcards.clip}
    facts = provenance.provenance(stage="animations", animation=arrays.zarr_attributes(inputs.latents))
    tables.write_parquet(assessment.columns(figures, **names), snakemake.output.figures, metadata=facts)
    log.info("animations %s", runtime.figures_line(figures))


if __name__ == "__main__":
    main(snakemake)

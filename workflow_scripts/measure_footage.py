"""Measure how well the face in a video follows a clip, and whether it flickers more than its footage."""

from d2a_core import runtime
from d2a_core.animation import assessment
from d2a_core.faces import detectors, dlib_identity, dlib_landmarks, reference
from d2a_core.media import video_reading
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    detector = detectors.of_job(snakemake, inputs.driving)
    embedder = dlib_identity.DlibEmbedder(inputs.identity)
    asked = arrays.read_zarr(inputs.latents, ["target", "time_s"])
    quads = tables.points_array(tables.read_parquet(inputs.landmarks), "quad")
    driven = quads[: len(asked["target"])]
    result, before, looked = (
        assessment.cut_out(video_reading.read_frames(path), driven)
        for path in (inputs.video, inputs.footage, inputs.footage)
    )
    photo = next(looked).image
    figures = assessment.assess(
        result,
        photo,
        detector.detect(photo[None]).points,
        assessment.Driving(
            **assessment.ways(tables.read_parquet(inputs.driving), asked),
            faces=assessment.driver_faces(inputs.driver, map(tables.read_parquet, inputs.tracks), embedder),
            strangers=reference.read(inputs.reference).strangers,
        ),
        detector,
        embedder,
        dlib_landmarks.DlibLandmarks(inputs.identity),
        progress=runtime.Progress(log, "footage", video_reading.probe(inputs.video).frames, unit="frames"),
    )
    names = {"source": snakemake.wildcards.footage, "clip": snakemake.wildcards.clip}
    figures = {**figures, **assessment.unrest(before, whole=len(quads))}
    facts = provenance.provenance(stage="footage", animation=arrays.zarr_attributes(inputs.latents))
    tables.write_parquet(assessment.columns(figures, **names), snakemake.output.figures, metadata=facts)
    log.info("footage %s", runtime.figures_line(figures))


if __name__ == "__main__":
    main(snakemake)

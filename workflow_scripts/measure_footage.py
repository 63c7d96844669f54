"""Measure how well the face in a video follows a clip, and whether it flickers more than its footage."""

from d2a_core import runtime
from d2a_core.animation import assessment, cast
from d2a_core.faces import detectors, dlib_identity, dlib_landmarks, reference
from d2a_core.media import video_reading
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    detector = detectors.of_job(snakemake, inputs.driving)
    embedder = dlib_identity.DlibEmbedder(inputs.identity)
    asked = assessment.of_first(arrays.read_zarr(inputs.latents, ["person", "row", "target", "time_s"]))
    people, quads = cast.read(inputs.code), tables.points_array(tables.read_parquet(inputs.landmarks), "quad")
    result, before, looked = (
        assessment.cut_out(video_reading.frames_at(path, rows), quads[rows])
        for path, rows in (
            (inputs.video, asked["row"]),
            (inputs.footage, asked["row"]),
            (inputs.footage, people.start[:1]),
        )
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
        progress=runtime.Progress(log, "footage", len(asked["row"]), unit="frames"),
    )
    names = {"source": snakemake.wildcards.footage, "clip": snakemake.wildcards.clip}
    figures = {**figures, **assessment.unrest(before, whole=people.count(0))}
    facts = provenance.provenance(stage="footage", animation=arrays.zarr_attributes(inputs.latents))
    tables.write_parquet(assessment.columns(figures, **names), snakemake.output.figures, metadata=facts)
    log.info("footage %s", runtime.figures_line(figures))


if __name__ == "__main__":
    main(snakemake)

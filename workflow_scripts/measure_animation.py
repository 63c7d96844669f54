"""Measure how well a video follows its clip and keeps its source."""

from d2a_core import assessment, identity, io, landmarks, runtime, video


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    options = landmarks.Options(**snakemake.params.landmarks)
    detector = landmarks.load_detector(options, inputs.models, **runtime.hardware(snakemake))
    photo = io.read_image(inputs.image)
    figures = assessment.assess(
        video.read_frames(inputs.video),
        photo,
        detector.detect(photo[None]).points,
        io.points_array(io.read_parquet(inputs.driving)),
        io.read_zarr(inputs.latents, ["target"])["target"],
        detector,
        identity.Embedder(inputs.identity),
        progress=runtime.Progress(log, "animations", video.probe(inputs.video).frames, unit="frames"),
    )
    names = {"source": snakemake.wildcards.source, "clip": snakemake.wildcards.clip}
    facts = io.provenance(stage="animations", animation=io.zarr_attributes(inputs.latents))
    io.write_parquet(assessment.columns(figures, **names), snakemake.output.figures, metadata=facts)
    log.info("animations %s", runtime.figures_line(figures))


if __name__ == "__main__":
    main(snakemake)

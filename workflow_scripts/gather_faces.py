"""Bring the photos of a user's data set into the form of all sets: aligned, measured, sources as codes."""

from itertools import chain

from d2a_core import alignment, detectors, embedders, io, landmarks, photos, runtime, scores
from d2a_core.networks import facemesh


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    options = landmarks.Options(**params.landmarks)
    detector = detectors.load_detector(options, inputs.models, **runtime.hardware(snakemake))
    aligned = photos.align_all(
        photos.read_all(params.others),
        facemesh.FaceModels(inputs.models, threads=snakemake.threads),
        detector,
        alignment.reference_layout(io.read_parquets(inputs.landmarks), detector.scheme),
        log=log,
    )
    sources = zip(params.sources, map(io.read_image, inputs.sources), strict=True)
    embedder = embedders.choose(params.identity, inputs.identity, threads=snakemake.threads)
    progress = runtime.Progress(log, "evaluation", len([*params.sources, *params.others]))
    named = io.keep_images(chain(sources, aligned), snakemake.output.images)
    columns = scores.look(named, detector, embedder, progress)
    facts = dict(io.facts(inputs.codes[0]), stage="evaluation", identity=embedder.name)
    facts = io.provenance(**facts)
    io.write_zarr(snakemake.output.codes, io.read_zarrs(inputs.codes, ["wplus"]), attributes=facts)
    io.write_parquet(columns, snakemake.output.faces, metadata=facts)


if __name__ == "__main__":
    main(snakemake)

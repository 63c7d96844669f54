"""Bring the photos of a user's data set into the form of all sets: aligned, measured, sources as codes."""

from itertools import chain

from d2a_core import runtime
from d2a_core.evaluation import face_table
from d2a_core.faces import alignment, detectors, identity, landmarks, mediapipe, photo_alignment
from d2a_core.media import images, photos
from d2a_core.store import arrays, lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    options = landmarks.Options(**params.landmarks)
    detector = detectors.load_detector(options, inputs.models, **runtime.hardware(snakemake))
    aligned = photo_alignment.align_all(
        photos.read_all(params.others),
        mediapipe.FaceModels(inputs.models, threads=snakemake.threads),
        detector,
        alignment.reference_layout(tables.read_parquets(inputs.landmarks), detector.scheme),
        log=log,
    )
    sources = zip(params.sources, map(images.read_image, inputs.sources), strict=True)
    embedder = identity.choose(params.identity, inputs.identity, threads=snakemake.threads)
    progress = runtime.Progress(log, "evaluation", len([*params.sources, *params.others]))
    named = images.keep_images(chain(sources, aligned), snakemake.output.images)
    columns = face_table.look(named, detector, embedder, progress)
    facts = dict(lineage.facts(inputs.codes[0]), stage="evaluation", identity=embedder.name)
    facts = provenance.provenance(**facts)
    arrays.write_zarr(snakemake.output.codes, arrays.read_zarrs(inputs.codes, ["wplus"]), attributes=facts)
    tables.write_parquet(columns, snakemake.output.faces, metadata=facts)


if __name__ == "__main__":
    main(snakemake)

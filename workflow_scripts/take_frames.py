"""Take the frames of a clip that drive in the evaluation, aligned as photos are."""

from d2a_core import runtime
from d2a_core.evaluation import face_table, found_results, protocols
from d2a_core.faces import alignment, detectors, identity, landmarks, mediapipe, photo_alignment
from d2a_core.media import images
from d2a_core.store import provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    options = landmarks.Options(**params.landmarks)
    detector = detectors.load_detector(options, inputs.models, **runtime.hardware(snakemake))
    frames = found_results.at_moments(inputs.video, params.frames)
    named = photo_alignment.align_all(
        zip(map(protocols.frame_name, range(len(frames))), frames, strict=True),
        mediapipe.FaceModels(inputs.models, threads=snakemake.threads),
        detector,
        alignment.reference_layout(tables.read_parquets(inputs.landmarks), detector.scheme),
        log=log,
    )
    embedder = identity.choose(params.identity, inputs.identity, threads=snakemake.threads)
    columns = face_table.look(images.keep_images(named, snakemake.output.images), detector, embedder)
    facts = provenance.provenance(
        stage="evaluation", clip=snakemake.wildcards.target_clip, identity=embedder.name
    )
    tables.write_parquet(columns, snakemake.output.faces, metadata=facts)


if __name__ == "__main__":
    main(snakemake)

"""Find the face on a photo and crop it as the faces of the generator lie."""

import dataclasses

from d2a_core import runtime
from d2a_core.faces import alignment, detectors, landmarks, mediapipe, photo_alignment
from d2a_core.media import images, photos
from d2a_core.store import provenance, tables, texts


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, hardware = snakemake.input, runtime.hardware(snakemake)
    options = photo_alignment.Options(**snakemake.params.photo)
    aligned_faces = dataclasses.replace(landmarks.Options(**snakemake.params.landmarks), box="ffhq")
    detector = detectors.load_detector(aligned_faces, inputs.models, **hardware)
    aligned = photo_alignment.align(
        photos.read_photo(inputs.image),
        options,
        mediapipe.FaceModels(inputs.models, threads=snakemake.threads),
        detector,
        alignment.reference_layout(tables.read_parquets(inputs.landmarks), detector.scheme),
        log=log,
    )
    facts = provenance.provenance(stage="sources", source=options, photo_sha256=texts.sha256(inputs.image))
    texts.write_json({**aligned.facts(), **facts}, snakemake.output.alignment)
    images.write_image(aligned.image, snakemake.output.image, text=facts)


if __name__ == "__main__":
    main(snakemake)

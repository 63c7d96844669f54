"""Find the face on a photo and crop it as the faces of the generator lie."""

from d2a_core import runtime
from d2a_core.faces import detectors, photo_alignment
from d2a_core.media import images, photos
from d2a_core.store import provenance, texts


def main(snakemake):
    log = runtime.start(snakemake)
    photo, options = snakemake.input.image, photo_alignment.Options(**snakemake.params.photo)
    aligner = photo_alignment.aligner(snakemake, detectors.of_job(snakemake, box="ffhq"))
    aligned = photo_alignment.align(photos.read_photo(photo), options, aligner, log=log)
    facts = provenance.provenance(stage="sources", source=options, photo_sha256=texts.sha256(photo))
    texts.write_json({**aligned.facts(), **facts}, snakemake.output.alignment)
    images.write_image(aligned.image, snakemake.output.image, text=facts)


if __name__ == "__main__":
    main(snakemake)

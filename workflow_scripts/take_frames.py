"""Take the frames of a clip that drive in the evaluation, aligned as photos are."""

from d2a_core import runtime
from d2a_core.evaluation import face_table, found_results, instruments, protocols
from d2a_core.faces import photo_alignment
from d2a_core.media import images
from d2a_core.store import provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    eyes = instruments.of_job(snakemake, inputs.reference)
    frames = found_results.at_moments(inputs.video, params.frames)
    named = zip(map(protocols.frame_name, range(len(frames))), frames, strict=True)
    named = photo_alignment.align_all(named, photo_alignment.aligner(snakemake, eyes.detector), log=log)
    kept = images.keep_images(named, snakemake.output.images)
    columns = face_table.look(kept, eyes)
    facts = provenance.provenance(stage="evaluation", clip=snakemake.wildcards.target_clip, **eyes.facts)
    tables.write_parquet(columns, snakemake.output.faces, metadata=facts)


if __name__ == "__main__":
    main(snakemake)

"""Find the code of an aligned photo, and tune the generator to it if asked to."""

from d2a_core import runtime
from d2a_core.faces import detectors, identity, landmarks, reference
from d2a_core.generator import generator
from d2a_core.inversion import encoder, inversion
from d2a_core.media import images
from d2a_core.store import arrays, provenance, tables, texts, weights


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    options = inversion.Options(**snakemake.params.inversion)
    inputs, hardware = snakemake.input, runtime.hardware(snakemake)
    network = generator.of_job(snakemake, *inputs.encoder, *inputs.consultation)
    detector = detectors.of_job(snakemake)
    judges = inversion.load_judges(detector, inputs.identity, device=hardware["device"])
    photo = inversion.fitted(images.read_image(inputs.photo), network)
    progress = runtime.Progress(log, "inversion", inversion.steps(options), unit="steps")
    looked = inputs.encoder, inputs.models, photo
    begin = encoder.code_of(*looked, num_layers=network.num_layers, **hardware)
    given = {"start": begin, "consultation": inputs.consultation}
    given |= {"strangers": identity.alike(reference.read(inputs.reference).strangers)}
    found = inversion.invert(network, judges, photo, options, **given, progress=progress)
    facts = provenance.provenance(
        stage="inversion",
        options=options,
        photo_sha256=texts.sha256(inputs.photo),
        detector=detector.name,
        **network.identity.facts,
    )
    contents = {"wplus": found.wplus, "loss": found.loss}
    arrays.write_zarr(snakemake.output.code, contents, attributes=facts)
    weights.write_checkpoint(inversion.checkpoint(found, facts), snakemake.output.tuning)
    table = landmarks.table(found.detections, sample_id=[0])
    tables.write_parquet(table, snakemake.output.landmarks, metadata=facts)
    tables.write_parquet(inversion.columns(found), snakemake.output.figures, metadata=facts)
    images.write_image(found.picture, snakemake.output.picture, text=facts)
    log.info("inversion psnr=%.1f identity=%.3f", found.figures["psnr"], found.figures["identity"])
    log.info(
        "inversion stitched_psnr=%.1f stitched_identity=%.3f",
        found.figures["stitched_psnr"],
        found.figures["stitched_identity"],
    )


if __name__ == "__main__":
    main(snakemake)

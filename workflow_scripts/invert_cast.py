"""Say who is seen in which frames of a clip, and invert the face of everybody but the first."""

from functools import partial

from d2a_core import runtime
from d2a_core.animation import casting
from d2a_core.faces import detectors
from d2a_core.generator import generator
from d2a_core.inversion import encoder, inversion
from d2a_core.media import video_reading
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, hardware = snakemake.input, runtime.hardware(snakemake)
    options = inversion.Options(**snakemake.params.inversion)
    network = generator.of_job(snakemake, inputs.code, *inputs.encoder)
    detector = detectors.of_job(snakemake, inputs.driving, inputs.landmarks)
    judges = inversion.load_judges(detector, inputs.identity, device=hardware["device"])
    encode = partial(
        encoder.code_of, inputs.encoder, inputs.models, num_layers=network.num_layers, **hardware
    )
    code = arrays.read_zarr(inputs.code, ["wplus"])["wplus"]
    people = casting.of_clip(
        tables.read_parquet(inputs.driving),
        partial(video_reading.frames_at, inputs.video),
        (code, tables.points_array(tables.read_parquet(inputs.landmarks))),
        casting.inverter(network, judges, options, encode, log=log),
        judges.embedder,
        size=network.resolution,
    )
    facts = provenance.provenance(stage="footage", inversion=options, **network.identity.facts)
    arrays.write_zarr(snakemake.output.cast, people.arrays(), attributes=facts)
    log.info("footage people=%d frames=%d of=%d", len(people.start), len(people.rows), len(people.person))


if __name__ == "__main__":
    main(snakemake)

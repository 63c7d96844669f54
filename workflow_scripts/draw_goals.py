"""Draw the faces of one shard of goals and ask for landmarks."""

from d2a_core import runtime
from d2a_core.animation import goals
from d2a_core.faces import detectors, landmarks
from d2a_core.generator import generator, latent_prior
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params, name = snakemake.input, snakemake.params, snakemake.wildcards
    network = generator.of_job(snakemake, inputs.landmarks)
    detector = detectors.of_job(snakemake, inputs.landmarks)
    seen = landmarks.detections(tables.read_parquet(inputs.landmarks))
    plan = goals.Plan(int(name.shard), name.group, **params.plan)
    contents = goals.draw(
        network,
        detector,
        latent_prior.fit(network),
        seen,
        plan,
        size=params.generator["draft_size"],
        progress=runtime.Progress(log, "goals", plan.faces),
    )
    facts = provenance.provenance(
        stage="goals",
        plan=plan,
        landmarks=detector.options,
        detector=detector.name,
        **network.identity.facts,
    )
    arrays.write_zarr(snakemake.output.goals, contents, attributes=facts)


if __name__ == "__main__":
    main(snakemake)

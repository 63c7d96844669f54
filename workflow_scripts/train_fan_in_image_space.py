"""Train the facial action network of one group on, in image space."""

from d2a_core import runtime, training
from d2a_core.directions import ball
from d2a_core.faces import detectors
from d2a_core.fan import fan, image_loss, image_space
from d2a_core.generator import generator
from d2a_core.media import trained
from d2a_core.store import arrays, lineage, provenance, texts, weights


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs = snakemake.input
    options = image_space.Options(**snakemake.params.image)
    network = generator.of_job(snakemake, inputs.directions, inputs.fan, *inputs.goals)
    detector = detectors.of_job(snakemake, inputs.directions, inputs.fan, *inputs.goals)
    loss = image_loss.of_job(snakemake, network, detector, options.weights)
    facts = provenance.provenance(
        stage="fan",
        options=options,
        core=snakemake.params.core,
        goals=list(map(texts.sha256, inputs.goals)),
        start_sha256=texts.sha256(inputs.fan),
        **lineage.shared([inputs.directions, *inputs.goals]),
    )
    kept = weights.ResumeFile("results/.state/train_fan_in_image_space", facts)
    goals = image_space.goals(arrays.read_each(inputs.goals, image_space.GOAL_ARRAYS), loss)
    base = fan.load(weights.read_checkpoint(inputs.fan), device=network.device)
    run = image_space.start(base, loss.prior, options, device=network.device)
    allowed = ball.from_store(arrays.read_zarr(inputs.directions, ball.STORED))
    task = image_space.task(run.network, goals, loss, allowed, options)
    training.run(run, task, options, resume=kept.read(), save=kept.write, log=log)
    trained.keep(run, facts, snakemake.output, kept, **image_space.CHART)


if __name__ == "__main__":
    main(snakemake)

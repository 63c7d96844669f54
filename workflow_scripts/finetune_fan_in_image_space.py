"""Fine-tune the facial action network on one source, in image space."""

import torch

from d2a_core import runtime, training
from d2a_core.animation import goals
from d2a_core.faces import dlib_identity, landmarks
from d2a_core.fan import closed_loop, fan, finetuning, image_space
from d2a_core.media import trained
from d2a_core.store import arrays, provenance, tables, texts, weights


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, name = snakemake.input, snakemake.wildcards
    image_options = image_space.Options(**snakemake.params.image)
    options = finetuning.Options(**snakemake.params.finetune)
    animator = closed_loop.of_job(snakemake)
    code = arrays.read_zarr(inputs.code, ["wplus"])["wplus"]
    seen = landmarks.detections(tables.read_parquet(inputs.landmarks))
    others = landmarks.detections(tables.read_parquet(inputs.targets))
    plan = goals.Plan(0, name.group, faces=1, per_face=options.drawn, seed=image_options.seed)
    goal = goals.of_source(seen, others, plan)
    facts = provenance.provenance(
        stage="fan",
        options=image_options,
        finetune=options,
        core=snakemake.params.core,
        base_sha256=texts.sha256(inputs.fan),
        source=arrays.zarr_attributes(inputs.code),
        detector=animator.detector.name,
        **animator.facts,
    )
    kept = weights.ResumeFile("results/.state/finetune_fan_in_image_space", facts)
    base = fan.load(weights.read_checkpoint(inputs.fan), device=animator.generator.device)
    loss = animator.followed.around(torch.from_numpy(code))
    asked = image_space.of_source(loss, code, seen.points, goal)
    keep = {"resume": kept.read(), "save": kept.write}
    run = finetuning.tune_in_image_space(
        base, asked, loss, animator.ball, image_options, options, log=log, **keep
    )
    tuned = fan.load(training.checkpoint(run, facts), device=animator.generator.device)
    faces, embedder = finetuning.asked(seen.points, goal), dlib_identity.DlibEmbedder(inputs.identity)
    rows = finetuning.compare(animator, tuned, code, faces, embedder, options)
    log.info("fan %s", finetuning.summary(rows))
    tables.write_parquet(rows, snakemake.output.comparison, metadata=facts)
    trained.keep(run, facts, snakemake.output, kept, **image_space.CHART)


if __name__ == "__main__":
    main(snakemake)

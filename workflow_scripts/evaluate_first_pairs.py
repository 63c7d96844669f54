"""Evaluate the first held-out pairs, from drawing the faces to the table."""

from d2a_core import runtime
from d2a_core.evaluation import first_pairs, held_out, instruments, score_tables, summary
from d2a_core.fan import closed_loop
from d2a_core.media import images
from d2a_core.store import arrays, provenance, texts


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    animator = closed_loop.of_job(snakemake)
    drawn = held_out.draw(
        animator.generator,
        held_out.trained_on(inputs.latents),
        arrays.read_zarr(inputs.directions),
        count=params.pairs,
        seed=params.seed,
    )
    eyes = instruments.beside(animator.detector, snakemake)
    renders = first_pairs.renders(params.pairs, params.passes)
    progress = runtime.Progress(log, "evaluation", renders)
    scores, sheet = first_pairs.evaluate(animator, eyes, drawn, passes=params.passes, progress=progress)
    facts = provenance.provenance(stage="evaluation", **eyes.facts, **animator.facts)
    rows = summary.summarise([scores], [])
    texts.write_text(score_tables.first_markdown(rows, facts, whole=params.whole), snakemake.output.text)
    images.write_image(sheet, snakemake.output.sheet, text=facts)


if __name__ == "__main__":
    main(snakemake)

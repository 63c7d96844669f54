"""Let the sources of all pairs take on the faces of their targets, after each closed-loop pass."""

from functools import partial

from d2a_core import runtime
from d2a_core.evaluation import face_table, own_results, protocols, results
from d2a_core.fan import closed_loop, fan
from d2a_core.media import images
from d2a_core.store import arrays, provenance, tables, texts, weights


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, params = snakemake.input, snakemake.params
    animator, device = closed_loop.of_job(snakemake), runtime.device(snakemake.resources)
    pairs = protocols.pairs_of(tables.read_parquet(inputs.pairs), params.protocols)
    passes = params.passes
    drawn = own_results.animate(
        animator,
        [animator.fan, *fan.load_all(map(weights.read_checkpoint, inputs.others), device=device)],
        pairs,
        dict(zip(params.sets, map(arrays.read_zarr, inputs.codes), strict=True)),
        face_table.known(tables.read_parquets(inputs.faces)),
        passes=passes,
        refinements=params.refinements,
        progress=runtime.Progress(log, "evaluation", own_results.renders(pairs, passes, params.refinements)),
    )
    rows = results.keep(drawn, partial(images.keep_images, folder=snakemake.output.frames))
    made_with = {"fan_sha256": texts.sha256(inputs.fan), **animator.facts}
    facts = provenance.provenance(stage="evaluation", method=params.method, **made_with)
    tables.write_parquet(rows, snakemake.output.steps, metadata=facts)


if __name__ == "__main__":
    main(snakemake)

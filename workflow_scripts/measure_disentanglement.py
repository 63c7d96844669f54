"""Drive head and face apart, and measure how much of each moves with the other."""

from d2a_core import runtime
from d2a_core.animation import animations
from d2a_core.evaluation import disentanglement
from d2a_core.fan import closed_loop, groups
from d2a_core.store import arrays, provenance, tables, texts, weights


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, params = snakemake.input, snakemake.params
    options = disentanglement.Options(**params.disentanglement)
    settings = animations.Options(**params.animations)
    animator = closed_loop.of_job(snakemake)
    device = runtime.device(snakemake.resources)
    separate = groups.load(list(map(weights.read_checkpoint, inputs.groups)), device=device)
    clips = dict(zip(params.clips, map(tables.read_parquet, inputs.clips), strict=True))
    ways = disentanglement.ways(animator.fan, separate, settings.refinements)
    looks = disentanglement.count(clips, options, ways)
    rows = disentanglement.measure(
        animator,
        ways,
        arrays.read_zarr(inputs.codes, ["wplus"])["wplus"],
        tables.read_parquet(inputs.faces),
        clips,
        arrays.read_zarr(inputs.directions, ["deviation"])["deviation"],
        options,
        settings,
        progress=runtime.Progress(log, "evaluation", looks, unit="drafts"),
    )
    facts = provenance.provenance(stage="evaluation", options=options, animations=settings, **animator.facts)
    tables.write_parquet(disentanglement.columns(rows), snakemake.output.table, metadata=facts)
    texts.write_text(disentanglement.markdown(rows), snakemake.output.text)


if __name__ == "__main__":
    main(snakemake)

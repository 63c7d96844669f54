"""Move some faces by each control, and measure what came and what else happened."""

from d2a_core import runtime
from d2a_core.animation import purity
from d2a_core.faces import controls
from d2a_core.fan import closed_loop
from d2a_core.media import images
from d2a_core.store import arrays, provenance, tables, texts


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, outputs = snakemake.input, snakemake.output
    options = purity.Options(**snakemake.params.controls)
    animator = closed_loop.of_job(snakemake)
    progress = runtime.Progress(log, "controls", purity.steps(animator, options), unit="steps")
    moved = purity.measure(animator, options, progress)
    facts = provenance.provenance(
        stage="controls",
        options=options,
        landmarks=animator.detector.options,
        detector=animator.detector.name,
        **animator.facts,
    )
    deviation = arrays.read_zarr(inputs.directions, ["deviation"])["deviation"]
    table = purity.purity(moved, controls.of_scheme(animator.detector.scheme), deviation)
    tables.write_parquet(table, outputs.purity, metadata=facts)
    texts.write_text(purity.markdown(table), outputs.text)
    images.write_image(purity.draw(animator, moved[0]), outputs.picture, text=facts)


if __name__ == "__main__":
    main(snakemake)

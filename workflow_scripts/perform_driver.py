"""Render a face that plays the score, as an ordinary mp4."""

from fractions import Fraction

from d2a_core import runtime
from d2a_core.animation import performances
from d2a_core.generator import generator, rendering
from d2a_core.inversion import sources
from d2a_core.media import video_writing
from d2a_core.store import arrays, provenance


def main(snakemake):
    log = runtime.start(snakemake)
    network = generator.of_job(snakemake, snakemake.input.directions)
    performance = performances.Performance(**snakemake.params.performance)
    store = arrays.read_zarr(snakemake.input.directions)
    wplus = sources.code(network, seed=performance.seed, truncation=performance.truncation)
    delta = performances.perform(store, wplus, performance)
    facts = provenance.provenance(**network.identity.facts)
    video_writing.write_frames(
        rendering.frames(network, wplus, delta),
        snakemake.output.video,
        rate=Fraction(performance.fps),
        metadata=video_writing.provenance(facts),
        progress=runtime.Progress(log, "driving", len(delta), unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)

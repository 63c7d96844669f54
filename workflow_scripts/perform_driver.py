"""Render a face that plays the score, as an ordinary mp4."""

from fractions import Fraction

from d2a_core import animations, driving, generator, io, runtime, sources, video


def main(snakemake):
    log = runtime.start(snakemake)
    settings = generator.Options(**snakemake.params.generator)
    network = generator.load(settings, snakemake.input.generator, **runtime.hardware(snakemake))
    performance = driving.Performance(**snakemake.params.performance)
    store = io.read_zarr(snakemake.input.directions)
    wplus = sources.code(network, seed=performance.seed, truncation=performance.truncation)
    delta = driving.perform(store, wplus, performance)
    progress = runtime.Progress(log, "driving", len(delta), unit="frames")
    video.write_frames(
        animations.frames(network, wplus, delta),
        snakemake.output.video,
        rate=Fraction(performance.fps),
        metadata=video.provenance(generator=settings.name, title=performance.name),
        progress=progress,
    )


if __name__ == "__main__":
    main(snakemake)

"""Render a face that plays the score, as an ordinary mp4."""

from fractions import Fraction

import torch

from d2a_core import runtime
from d2a_core.animation import performances
from d2a_core.directions import ball
from d2a_core.faces import detectors
from d2a_core.generator import detection, generator, rendering
from d2a_core.inversion import sources
from d2a_core.media import video_writing
from d2a_core.store import arrays, provenance


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, params = snakemake.input, snakemake.params
    network = generator.of_job(snakemake, inputs.directions)
    detector = detectors.of_job(snakemake, inputs.directions)
    performance = performances.Performance(**params.performance)
    store = arrays.read_zarr(inputs.directions)
    wplus = sources.code(network, seed=performance.seed, truncation=performance.truncation)
    still = torch.zeros(1, *store["vector"].shape[1:])
    seen = detection.detect(network, detector, wplus, still, size=params.generator["draft_size"])
    loss = performances.loss_of_job(snakemake, network, detector)
    steps = performances.gradient_steps(loss, params.steps)
    poses = performances.perform(
        loss,
        ball.from_store(store),
        store,
        wplus,
        seen,
        steps=params.steps,
        progress=runtime.Progress(log, "driving", steps, unit="steps"),
    )
    delta = performances.played(poses, seconds=performance.seconds, fps=performance.fps)
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

"""Let the person of a video move like a clip, in the video itself."""

import torch

from d2a_core import runtime
from d2a_core.animation import animations, footage_goals, retakes
from d2a_core.fan import closed_loop
from d2a_core.media import video_reading, video_writing
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, parts = snakemake.input, snakemake.params.parts
    options = animations.Options(**snakemake.params.animations)
    animator = closed_loop.of_job(snakemake)
    shown, driver = (tables.read_parquet(table) for table in (inputs.shown, inputs.driving))
    rate, driver_rate = (video_reading.probe(video).rate for video in (inputs.video, inputs.driver))
    take = footage_goals.take(shown, driver, options, parts, rate=rate, driver_rate=driver_rate)
    codes, still = (
        torch.from_numpy(arrays.read_zarr(path, ["wplus"])["wplus"]) for path in (inputs.codes, inputs.code)
    )
    codes = codes[: len(take.goal)]
    log.info("footage frames=%d of=%d", len(codes), len(shown))
    source = tables.read_parquet(inputs.landmarks)
    moved = retakes.lead(animator, still, source, codes, take, options, log=log)
    facts = provenance.provenance(stage="footage", options=options, parts=parts, **animator.facts)
    arrays.write_zarr(snakemake.output.latents, take.arrays(moved.numpy()), attributes=facts)
    video_writing.write_frames(
        retakes.retaken(animator, video_reading.read_frames(inputs.video), codes, moved, take),
        snakemake.output.video,
        rate=rate,
        audio=footage_goals.heard(inputs.video, inputs.driver, options, parts),
        crf=options.crf,
        metadata=video_writing.provenance(facts),
        progress=runtime.Progress(log, "footage", len(codes), unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)

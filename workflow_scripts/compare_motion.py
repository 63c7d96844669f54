"""Show source, driver and result beside one another, as a video and as a contact sheet."""

from itertools import repeat

from d2a_core import runtime
from d2a_core.animation import comparison
from d2a_core.media import images, video_reading, video_writing
from d2a_core.store import arrays


def main(snakemake):
    log = runtime.start(snakemake)
    options = comparison.Options(**snakemake.params.comparison)
    result = video_reading.probe(snakemake.input.video)
    source = images.read_image(snakemake.input.image)
    sheet = comparison.Sheet(source, frames=result.frames, columns=options.sheet_columns)
    time_s = arrays.read_zarr(snakemake.input.latents, ["time_s"])["time_s"]
    driver, frames = (
        video_reading.read_frames(path) for path in (snakemake.input.driver, snakemake.input.video)
    )
    streams = comparison.behind(driver, time_s), frames
    video_writing.write_frames(
        comparison.side_by_side(repeat(source), *streams, height=options.height, sheet=sheet),
        snakemake.output.side_by_side,
        rate=result.rate,
        audio=snakemake.input.video,
        crf=snakemake.params.crf,
        metadata=result.metadata,
        progress=runtime.Progress(log, "animations", result.frames, unit="frames"),
    )
    images.write_image(sheet.draw(), snakemake.output.sheet)


if __name__ == "__main__":
    main(snakemake)

"""Show footage, driver and result beside one another, as a video and as a contact sheet."""

from d2a_core import runtime
from d2a_core.animation import comparison
from d2a_core.media import images, video_reading, video_writing
from d2a_core.store import arrays


def main(snakemake):
    log = runtime.start(snakemake)
    options = comparison.Options(**snakemake.params.comparison)
    result = video_reading.probe(snakemake.input.video)
    sheet = comparison.Sheet(None, frames=result.frames, columns=options.sheet_columns)
    time_s = arrays.read_zarr(snakemake.input.latents, ["time_s"])["time_s"]
    footage, driver, frames = (
        video_reading.read_frames(path)
        for path in (snakemake.input.footage, snakemake.input.driver, snakemake.input.video)
    )
    streams = (frame.image for frame in footage), comparison.behind(driver, time_s), frames
    video_writing.write_frames(
        comparison.side_by_side(*streams, height=options.height, sheet=sheet),
        snakemake.output.side_by_side,
        rate=result.rate,
        audio=snakemake.input.video,
        crf=snakemake.params.crf,
        metadata=result.metadata,
        progress=runtime.Progress(log, "footage", result.frames, unit="frames"),
    )
    images.write_image(sheet.draw(), snakemake.output.sheet)


if __name__ == "__main__":
    main(snakemake)

"""Take the first frame of a clip that shows its face well as a photo, which the clip will drive."""

from d2a_core import runtime
from d2a_core.animation import stretches
from d2a_core.media import images, video_reading
from d2a_core.store import tables


def main(snakemake):
    log = runtime.start(snakemake)
    row = stretches.first(tables.read_parquet(snakemake.input.driving))
    chosen = next(video_reading.frames_at(snakemake.input.video, [row]))
    images.write_image(chosen.image, snakemake.output.image)
    log.info("evaluation clip=%s frame=%d", snakemake.wildcards.clip, row)


if __name__ == "__main__":
    main(snakemake)

"""Take the first frame of a clip as a photo, which the clip will drive."""

from d2a_core import runtime
from d2a_core.media import images, video_reading


def main(snakemake):
    log = runtime.start(snakemake)
    first = next(video_reading.read_frames(snakemake.input.video))
    images.write_image(first.image, snakemake.output.image)
    log.info("evaluation clip=%s", snakemake.wildcards.clip)


if __name__ == "__main__":
    main(snakemake)

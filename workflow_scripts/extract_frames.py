"""Write the frames of an animation as pictures."""

from d2a_core import runtime
from d2a_core.media import images, video_reading


def main(snakemake):
    log = runtime.start(snakemake)
    result = video_reading.probe(snakemake.input.video)
    progress = runtime.Progress(log, "animations", result.frames, unit="frames")
    frames = video_reading.read_frames(snakemake.input.video)
    images.write_images(progress.over(frame.image for frame in frames), snakemake.output.folder)


if __name__ == "__main__":
    main(snakemake)

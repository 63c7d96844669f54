"""Write the frames of an animation as pictures."""

from d2a_core import images, runtime, video


def main(snakemake):
    log = runtime.start(snakemake)
    result = video.probe(snakemake.input.video)
    progress = runtime.Progress(log, "animations", result.frames, unit="frames")
    frames = video.read_frames(snakemake.input.video)
    images.write_images(progress.over(frame.image for frame in frames), snakemake.output.folder)


if __name__ == "__main__":
    main(snakemake)

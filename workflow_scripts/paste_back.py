"""Put animated faces back into the photo that they come from."""

from d2a_core import runtime
from d2a_core.faces import alignment, paste, stitching
from d2a_core.media import photos, video_reading, video_writing
from d2a_core.store import arrays, tables, texts


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    options = paste.Options(**snakemake.params.paste_back)
    files = zip(inputs.videos, inputs.alignments, inputs.landmarks, inputs.latents, strict=True)
    faces = tuple(
        stitching.Animated(
            frames=(frame.image for frame in video_reading.read_frames(video)),
            crop=alignment.crop_from_facts(texts.read_json(facts)),
            source=tables.points_array(tables.read_parquet(landmarks)),
            points=arrays.read_zarr(latents, ["target"])["target"],
        )
        for video, facts, landmarks, latents in files
    )
    photo, faces = stitching.fitted(
        photos.read_photo(inputs.photo).image, faces, longest=options.longest_side
    )
    first = inputs.videos[0]
    result = video_reading.probe(first)
    video_writing.write_frames(
        stitching.paste_back(snakemake.params.surroundings, photo, faces),
        snakemake.output.video,
        rate=result.rate,
        audio=first,
        crf=snakemake.params.crf,
        metadata=result.metadata,
        progress=runtime.Progress(log, "animations", result.frames, unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)

"""Put an animated face back into the photo that it comes from."""

from d2a_core import runtime
from d2a_core.faces import alignment, paste, schemes, stitching
from d2a_core.media import photos, video_reading, video_writing
from d2a_core.store import arrays, tables, texts


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    options = paste.Options(**snakemake.params.paste_back)
    source = tables.points_array(tables.read_parquet(inputs.landmarks))
    target = arrays.read_zarr(inputs.latents, ["target"])["target"]
    result = video_reading.probe(inputs.video)
    photo, crop = paste.fitted(
        photos.read_photo(inputs.photo).image,
        alignment.crop_from_facts(texts.read_json(inputs.alignment)),
        longest=options.longest_side,
    )
    frames = (frame.image for frame in video_reading.read_frames(inputs.video))
    video_writing.write_frames(
        stitching.paste_back(
            snakemake.params.surroundings,
            photo,
            frames,
            crop,
            source,
            target,
            schemes.scheme_of(target.shape[1]),
        ),
        snakemake.output.video,
        rate=result.rate,
        audio=inputs.video,
        crf=snakemake.params.crf,
        metadata=result.metadata,
        progress=runtime.Progress(log, "animations", result.frames, unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)

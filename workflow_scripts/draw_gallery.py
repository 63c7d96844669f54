"""Show what the strongest directions do to one face."""

from d2a_core import runtime
from d2a_core.directions import gallery
from d2a_core.generator import generator
from d2a_core.media import images
from d2a_core.store import arrays, tables


def main(snakemake):
    log = runtime.start(snakemake)
    options = gallery.Options(**snakemake.params.gallery)
    network = generator.of_job(snakemake, snakemake.input.directions)
    store = arrays.read_zarr(snakemake.input.directions)
    catalogue = tables.read_parquet(snakemake.input.catalogue).to_pylist()
    picture = gallery.draw(
        network,
        store,
        catalogue,
        options,
        size=snakemake.params.generator["draft_size"],
        progress=runtime.Progress(log, "directions", options.rows, unit="rows"),
    )
    images.write_image(picture, snakemake.output.gallery)


if __name__ == "__main__":
    main(snakemake)

"""Show what the strongest directions do to one face."""

from d2a_core import runtime
from d2a_core.directions import gallery
from d2a_core.generator import generator
from d2a_core.media import images
from d2a_core.store import arrays, lineage, tables


def main(snakemake):
    log = runtime.start(snakemake)
    options = gallery.Options(**snakemake.params.gallery)
    settings = generator.Options(**snakemake.params.generator)
    network = generator.load(
        settings,
        snakemake.input.generator,
        draft=snakemake.input.draft,
        **runtime.engine(snakemake),
    )
    lineage.check(network.identity, snakemake.input.directions)
    store = arrays.read_zarr(snakemake.input.directions)
    catalogue = tables.read_parquet(snakemake.input.catalogue).to_pylist()
    picture = gallery.draw(
        network,
        store,
        catalogue,
        options,
        size=settings.draft_size,
        progress=runtime.Progress(log, "directions", options.rows, unit="rows"),
    )
    images.write_image(picture, snakemake.output.gallery)


if __name__ == "__main__":
    main(snakemake)

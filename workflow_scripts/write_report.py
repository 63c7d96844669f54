"""Write the report of the evaluation: tables, charts and pictures on one page."""

from d2a_core import runtime
from d2a_core.evaluation.report import page
from d2a_core.media import images
from d2a_core.store import tables, texts


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    found = page.Tables(
        summary=tables.read_parquet(inputs.table),
        scores=tables.read_parquet(inputs.scores),
        pairs=tables.read_parquet(inputs.pairs),
        ablations=next(map(tables.read_parquet, inputs.ablations), None),
        videos=next(map(tables.read_parquet, inputs.videos), None),
    )
    pictures = page.Pictures(read=images.read_image, gallery=inputs.gallery, sheets=inputs.sheets)
    text = page.page(tables.parquet_metadata(inputs.table), found, pictures)
    texts.write_text(text, snakemake.output.report)
    log.info("evaluation rows=%d report_bytes=%d", len(found.summary), len(text))


if __name__ == "__main__":
    main(snakemake)

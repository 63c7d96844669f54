"""Write the report of the evaluation: tables, charts and pictures on one page."""

from d2a_core import io, report, runtime


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    found = report.Tables(
        summary=io.read_parquet(inputs.table),
        scores=io.read_parquet(inputs.scores),
        pairs=io.read_parquet(inputs.pairs),
        ablations=next(map(io.read_parquet, inputs.ablations), None),
        videos=next(map(io.read_parquet, inputs.videos), None),
    )
    pictures = report.Pictures(read=io.read_image, gallery=inputs.gallery, sheets=inputs.sheets)
    text = report.page(io.parquet_metadata(inputs.table), found, pictures)
    io.write_text(text, snakemake.output.report)
    log.info("evaluation rows=%d report_bytes=%d", len(found.summary), len(text))


if __name__ == "__main__":
    main(snakemake)

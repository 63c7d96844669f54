"""Give one held-out source a folder as sources have it, so that FAN can be fine-tuned on it."""

from d2a_core import runtime
from d2a_core.evaluation import face_table, protocols
from d2a_core.store import arrays, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, name = snakemake.input, snakemake.params.face
    facts = arrays.zarr_attributes(inputs.codes)
    code = arrays.read_zarr(inputs.codes, ["wplus"])["wplus"][[protocols.number_of(name)]]
    face = face_table.row_of(tables.read_parquet(inputs.faces), name)
    arrays.write_zarr(snakemake.output.code, {"wplus": code}, attributes=facts)
    tables.write_parquet(face, snakemake.output.landmarks, metadata=facts)
    log.info("evaluation source=%s", name)


if __name__ == "__main__":
    main(snakemake)

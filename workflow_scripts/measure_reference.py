"""Measure where a typical sampled face lies, and how alike strangers are."""

import numpy as np

from d2a_core import runtime
from d2a_core.faces import dlib_identity, reference
from d2a_core.store import arrays, lineage, provenance, tables


def main(snakemake):
    runtime.start(snakemake)
    inputs = snakemake.input
    samples = tables.read_parquets(inputs.landmarks)
    images = np.asarray(arrays.open_zarr(inputs.images)["image"][: reference.STRANGERS])
    points = tables.points_array(samples)[: len(images)]
    embedder = dlib_identity.DlibEmbedder(inputs.identity)
    found = reference.measure(samples, embedder.embed(images, points))
    facts = provenance.provenance(stage="landmarks", faces=len(samples), **lineage.shared(inputs.landmarks))
    arrays.write_zarr(snakemake.output.reference, reference.to_arrays(found), attributes=facts)


if __name__ == "__main__":
    main(snakemake)

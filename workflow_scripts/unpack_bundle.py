"""Unpack a bundle: what the training stages would have left."""

from d2a_core import runtime
from d2a_core.fan import bundle, origins


def main(snakemake):
    log = runtime.start(snakemake)
    path, sha256 = origins.file_of(snakemake.input.bundle[0]), snakemake.params.sha256
    found = bundle.read(path)
    detector = snakemake.params.landmarks["detector"]
    bundle.check(found, path, generator_sha256=snakemake.params.generator_sha256, detector=detector)
    bundle.scatter(found, dict(snakemake.output.items()), {"bundle_sha256": sha256})
    log.info("bundle unpacked=%s", path)


if __name__ == "__main__":
    main(snakemake)

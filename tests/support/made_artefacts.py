"""Small artefacts: a store, a table, a folder of pictures."""

import numpy as np

from d2a_core.media import images
from d2a_core.store import arrays, tables


def write_store(path):
    contents = {"w": np.arange(600, dtype=np.float32).reshape(100, 6), "image": np.zeros((100, 8), np.uint8)}
    arrays.write_zarr(path, contents, attributes={"seed": 7, "truncation": 0.5})


def write_table(path):
    columns = {"sample_id": np.arange(50), "yaw": np.linspace(-30, 30, 50)}
    tables.write_parquet(columns, path, metadata={"detector": "facemesh", "seed": 7})


def write_pictures(path):
    images.write_images(np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8), path)

import numpy as np
import pyarrow
import pytest

from d2a_core.store import tables


def only(folder):
    return sorted(child.name for child in folder.iterdir())


def test_parquet_round_trip_keeps_columns_and_metadata(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {"sample_id": np.arange(3), "found": [True, False, True]}
    tables.write_parquet(columns, path, metadata={"units": {"yaw": "degrees"}})
    table = tables.read_parquet(path)
    assert table.to_pydict() == {"sample_id": [0, 1, 2], "found": [True, False, True]}
    assert tables.parquet_metadata(path) == {"units": {"yaw": "degrees"}}
    first = path.read_bytes()
    tables.write_parquet(table, path, metadata={"units": {"yaw": "degrees"}})
    assert path.read_bytes() == first and only(tmp_path) == [".t.parquet.manifest.json", "t.parquet"]


def test_parquet_of_another_program_has_no_metadata(tmp_path):
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "t.parquet")
    assert tables.parquet_metadata(tmp_path / "t.parquet") == {}


def test_parquet_in_a_folder_named_like_a_partition_gains_no_column(tmp_path):
    path = tmp_path / "source=me" / "t.parquet"
    tables.write_parquet({"a": [1]}, path, metadata={})
    assert tables.read_parquet(path).column_names == ["a"]


def test_parquet_damage_is_one_sentence(tmp_path):
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"a": [1]}), path)  # by another program: no manifest tells of it
    path.write_bytes(path.read_bytes()[:-6])
    for read in (tables.read_parquet, tables.parquet_metadata):
        with pytest.raises(ValueError, match="t.parquet cannot be read .* delete it and snakemake"):
            read(path)


def test_points_column_interleaves_x_and_y_and_comes_back(tmp_path):
    points = np.arange(12, dtype=np.float64).reshape(2, 3, 2) / 8
    column = tables.points_column(points)
    assert str(column.type) == "fixed_size_list<item: float>[6]"
    assert column[0].as_py() == [0.0, 0.125, 0.25, 0.375, 0.5, 0.625]
    tables.write_parquet({"points": column}, tmp_path / "t.parquet", metadata={})
    found = tables.points_array(tables.read_parquet(tmp_path / "t.parquet"))
    assert found.dtype == np.float32 and found.flags.writeable
    np.testing.assert_array_equal(found, points)


def test_points_array_respects_slices_and_empty_tables():
    points = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    table = pyarrow.table({"p": tables.points_column(points)})
    np.testing.assert_array_equal(tables.points_array(table.slice(1, 2), "p"), points[1:])
    assert tables.points_array(table.slice(0, 0), "p").shape == (0, 2, 2)


def test_points_of_the_wrong_shape_or_name_are_refused():
    with pytest.raises(ValueError, match=r"not \[4, 3\]"):
        tables.points_column(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="no column 'points' but a"):
        tables.points_array(pyarrow.table({"a": [1]}))
    with pytest.raises(ValueError, match="'a' .* does not hold"):
        tables.points_array(pyarrow.table({"a": [1]}), "a")

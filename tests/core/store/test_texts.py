import pytest

from d2a_core.store import texts


def test_text_is_utf8_with_unix_ends(tmp_path):
    texts.write_text("é\n", tmp_path / "t.md")
    assert (tmp_path / "t.md").read_bytes() == b"\xc3\xa9\n"


def test_json_reading_names_the_file(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1]}')
    assert texts.read_json(tmp_path / "a.json") == {"a": [1]}
    (tmp_path / "a.json").write_text('{"a": [1')
    with pytest.raises(ValueError, match="a.json cannot be read"):
        texts.read_json(tmp_path / "a.json")


def test_sha256_of_a_file_is_the_published_digest(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert texts.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223b00361a396177a9c")


def test_sha256_of_a_folder_sees_names_and_contents_but_nothing_hidden(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    first = texts.sha256(tmp_path)
    (tmp_path / ".snakemake_timestamp").touch()
    (tmp_path / "deep" / ".cache").mkdir()
    (tmp_path / "deep" / ".cache" / "x").touch()
    assert texts.sha256(tmp_path) == first
    (tmp_path / "b").rename(tmp_path / "c")
    assert texts.sha256(tmp_path) != first
    (tmp_path / "c").rename(tmp_path / "b")
    (tmp_path / "deep" / "a").write_text("3")
    assert texts.sha256(tmp_path) != first

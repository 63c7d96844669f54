import hashlib
import os

import pytest

from d2a_core.generator import origins
from d2a_core.store import texts
from d2a_core.store.assets import ASSETS

URL = "https://example.org/nets/ffhq.pkl?download=1"
SHA = "ab" * 32


@pytest.fixture
def find(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def find(name, **checkpoints):
        return origins.find(origins.Options(name, checkpoints, "auto"), cache=tmp_path / "cache.json")

    return find


def test_a_known_name_is_its_folder_and_the_hash_of_its_wheel(find):
    origin = find("mobilestylegan-ffhq")
    assert origin.source == origin.model == "data/assets/mobilestylegan-ffhq"
    assert origin.sha256 == ASSETS["mobilestylegan-ffhq"].sha256


def test_a_download_is_fetched_as_an_asset_and_converted_under_its_hash(find):
    entry = {"url": URL, "sha256": SHA}
    origin = find("ffhq", ffhq=entry)
    assert (origin.source, origin.model) == ("data/assets/ffhq", "results/generator/abababababab.safetensors")
    asset = origins.downloads(origins.Options("ffhq", {"ffhq": entry, "own": {"path": "x.pkl"}}, "auto"))
    assert list(asset) == ["ffhq"]
    assert (asset["ffhq"].origin, asset["ffhq"].members) == (URL, (("", "ffhq.pkl"),))


def test_a_download_whose_hash_is_not_known_has_a_place_all_the_same(find):
    assert find("ffhq", ffhq={"url": URL, "sha256": None}).model == "results/generator/unknown.safetensors"


@pytest.mark.parametrize("suffix", origins.SUFFIXES)
def test_a_file_is_known_by_its_content_wherever_it_lies(find, tmp_path, suffix):
    (tmp_path / f"mine{suffix}").write_bytes(b"weights")
    origin = find(f"mine{suffix}")
    assert origin.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (origin.name, origin.source) == ("mine", f"mine{suffix}")
    (tmp_path / f"mine{suffix}").rename(tmp_path / f"moved{suffix}")
    moved = find("named", named={"path": f"moved{suffix}"})
    assert moved.name == "named" and moved.model == origin.model


def test_the_hash_of_a_file_is_computed_once_until_it_changes(find, tmp_path, monkeypatch):
    file = tmp_path / "mine.pkl"
    file.write_bytes(b"weights")
    first = find("mine.pkl")
    read = []
    known = texts.sha256
    monkeypatch.setattr(texts, "sha256", lambda path: read.append(path) or known(path))
    assert find("mine.pkl") == first and not read
    os.utime(file, (1, 1))
    assert find("mine.pkl") == first and len(read) == 1
    file.write_bytes(b"weightS")
    assert find("mine.pkl") != first and len(read) == 2
    (tmp_path / "cache.json").write_text("[")
    assert find("mine.pkl").sha256 == hashlib.sha256(b"weightS").hexdigest()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "fhq",
            r"generator.name is 'fhq', neither a known name \(mobilestylegan-ffhq, own\) nor",
        ),
        ("lost.pkl", "generator.name is 'lost.pkl', but there is no file /"),
        ("own", "generator.checkpoints.own.path is 'gone.pkl', but there is no file /"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_sentence(find, name, words):
    with pytest.raises(ValueError, match=f"^config: {words}"):
        find(name, own={"path": "gone.pkl"})


def test_a_download_cannot_take_the_name_of_another_model():
    options = origins.Options("dlib-face", {"dlib-face": {"url": URL, "sha256": SHA}}, "auto")
    with pytest.raises(ValueError, match="has the name 'dlib-face', which another model"):
        origins.downloads(options)

import os
import pickle

import pytest
import torch

from d2a_core.store import weights


def only(folder):
    return sorted(child.name for child in folder.iterdir())


def test_checkpoint_round_trip_repeats_to_the_byte(tmp_path):
    state = {"model": {"weight": torch.arange(6.0).reshape(2, 3)}, "step": 4, "names": ["a"]}
    weights.write_checkpoint(state, tmp_path / "a.pt")
    weights.write_checkpoint(state, tmp_path / "b.pt")
    found = weights.read_checkpoint(tmp_path / "a.pt")
    torch.testing.assert_close(found["model"]["weight"], state["model"]["weight"])
    assert (found["step"], found["names"]) == (4, ["a"])
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


class Code:
    def __reduce__(self):
        return os.mkdir, ("run-by-the-checkpoint",)


def test_checkpoint_damage_and_code_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pt"
    torch.save({"weight": torch.zeros(1000)}, path)
    whole = path.read_bytes()
    for content in (whole[:-100], b"", b"text", pickle.dumps(Code(), protocol=2)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="a.pt cannot be read .* delete it and snakemake"):
            weights.read_checkpoint(path)
    assert only(tmp_path) == ["a.pt"]


def test_safetensors_give_back_tensors_and_metadata_also_where_they_share_memory(tmp_path):
    whole = torch.arange(6.0).reshape(2, 3)
    tensors = {"whole": whole, "turned": whole.T, "row": whole[1], "number": torch.tensor(2.0)}
    weights.write_safetensors(tensors, tmp_path / "a.safetensors", metadata={"side": 3})
    again, metadata = weights.read_safetensors(tmp_path / "a.safetensors")
    assert metadata == {"side": 3} and again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert weights.is_safetensors(tmp_path / "a.safetensors")
    (tmp_path / "plain").touch()
    rights = [(tmp_path / name).stat().st_mode for name in ("a.safetensors", "plain")]
    assert rights[0] == rights[1]  # as the umask says


@pytest.mark.parametrize("data", [b"", b"{}", b"\x80\x04" + bytes(6) + b"{", b"a short text{"])
def test_what_is_no_safetensors_file_is_told_and_not_read(tmp_path, data):
    (tmp_path / "a.safetensors").write_bytes(data)
    assert not weights.is_safetensors(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="cannot be read"):
        weights.read_safetensors(tmp_path / "a.safetensors")

import numpy as np
import pytest

from d2a_core.store import arrays, lineage, provenance, tables, weights
from d2a_core.store.lineage import Identity

OURS, OTHER = Identity("ours", "a" * 64), Identity("other", "b" * 64)


@pytest.fixture
def made(tmp_path):
    """Write an artefact of each kind; returns its path."""

    def write(name, identity, **facts):
        path = tmp_path / name
        facts = provenance.provenance(**(identity.facts if identity else {}), **facts)
        if path.suffix == ".zarr":
            arrays.write_zarr(path, {"w": np.zeros(3)}, attributes=facts)
        elif path.suffix == ".pt":
            weights.write_checkpoint({"provenance": facts}, path)
        else:
            tables.write_parquet({"w": [1.0]}, path, metadata=facts)
        return path

    return write


@pytest.mark.parametrize("name", ["store.zarr", "fan.pt", "table.parquet"])
def test_an_artefact_tells_its_generator(made, name):
    path = made(name, OURS)
    assert lineage.of(path) == OURS
    lineage.check(Identity("ours under another name", OURS.sha256), path)


def test_an_artefact_of_another_generator_is_refused_with_both_names(made):
    paths = [made("first.zarr", OURS), made("second.pt", OTHER)]
    with pytest.raises(ValueError) as caught:
        lineage.check(OURS, *paths)
    assert str(caught.value) == (
        f"{paths[1]} was made with the generator other (bbbbbbbbbbbb) and cannot be used with ours "
        "(aaaaaaaaaaaa); delete it and snakemake recomputes it, or set generator.name back to other"
    )
    with pytest.raises(ValueError, match="second.pt was made with the generator other"):
        lineage.shared(paths)


def test_what_all_artefacts_share_is_their_generator(made):
    assert lineage.shared([made(f"{number}.zarr", OURS) for number in range(3)]) == OURS.facts


def test_an_artefact_that_says_nothing_is_to_be_made_again(made):
    with pytest.raises(ValueError, match="does not say with which generator it was made; delete it"):
        lineage.of(made("old.zarr", None))


@pytest.mark.parametrize("name", ["store.zarr", "fan.pt", "table.parquet"])
def test_an_artefact_tells_its_detector_and_goes_with_that_alone(made, name):
    path = made(name, OURS, detector="facemesh")
    assert lineage.detector_of(path) == "facemesh"
    lineage.check_detector("facemesh", path)
    with pytest.raises(ValueError) as caught:
        lineage.check_detector("face-alignment", path)
    assert str(caught.value) == (
        f"{path} was made with the landmark detector facemesh and cannot be used with face-alignment; "
        "delete it and snakemake recomputes it, or set landmarks.detector back to facemesh"
    )


def test_what_names_no_detector_goes_with_any(made):
    silent, seen = made("latents.zarr", OURS), made("landmarks.parquet", OURS, detector="facemesh")
    lineage.check_detector("face-alignment", silent)
    assert lineage.shared([silent, seen]) == {**OURS.facts, "detector": "facemesh"}
    assert lineage.shared_detector([silent]) is None


def test_artefacts_of_two_detectors_share_nothing(made):
    paths = [made(f"{name}.parquet", OURS, detector=name) for name in ("facemesh", "face-alignment")]
    for share in (lineage.shared, lineage.shared_detector):
        with pytest.raises(ValueError, match="made with the landmark detector face-alignment .* facemesh"):
            share(paths)

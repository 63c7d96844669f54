from dataclasses import dataclass
from types import SimpleNamespace

import torch

from d2a_core.media import images, trained
from d2a_core.store import tables, weights
from d2a_core.training import Training


@dataclass(frozen=True)
class Architecture:
    width: int


class Network(torch.nn.Linear):
    architecture = Architecture(3)


def test_a_training_leaves_history_curve_and_its_best_network_and_no_state(tmp_path):
    network = Network(1, 3)
    run = Training(network, torch.optim.SGD(network.parameters()))
    run.best = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    run.history = [{"epoch": n, "training_loss": 1 / n, "validation_loss": 2 / n} for n in (1, 2)]
    state = weights.ResumeFile(tmp_path / ".state", {"seed": 1})
    state.write(run.state())
    names = {"history": "h.parquet", "curve": "c.png", "checkpoint": "n.pt"}
    outputs = SimpleNamespace(**{name: tmp_path / file for name, file in names.items()})
    trained.keep(run, {"stage": "fan"}, outputs, state, title="FAN", loss="loss")
    assert tables.read_parquet(outputs.history).column("training_loss").to_pylist() == [1, 0.5]
    assert tables.parquet_metadata(outputs.history) == {"stage": "fan"}
    assert images.read_image(outputs.curve).shape == (540, 960, 3)
    kept = weights.read_checkpoint(outputs.checkpoint)
    assert kept["architecture"] == {"width": 3} and kept["provenance"] == {"stage": "fan"}
    assert not kept["state"]["weight"].any() and state.read() is None

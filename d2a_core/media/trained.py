"""Write the results of a training: history, loss curve and network."""

from collections.abc import Mapping
from typing import Any

from d2a_core import training
from d2a_core.media import charts, images
from d2a_core.store import tables, weights
from d2a_core.training import Training


def keep(
    run: Training,
    facts: Mapping[str, Any],
    outputs: Any,
    state: weights.ResumeFile,
    *,
    title: str,
    loss: str,
) -> None:
    """Write the `history`, `curve` and `checkpoint` of a job's `outputs`, then remove its `state`.

    `title` stands above the curve, `loss` beside it; `facts` go into table and checkpoint.
    """
    history = training.history_columns(run)
    tables.write_parquet(history, outputs.history, metadata=facts)
    images.write_image(charts.loss_curve(history, title=title, loss=loss), outputs.curve)
    weights.write_checkpoint(training.checkpoint(run, facts), outputs.checkpoint)
    state.clear()

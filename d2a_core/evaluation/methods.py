"""Methods of the evaluation, and the protocols and numbers of passes that each is scored on."""

from collections.abc import Mapping
from dataclasses import dataclass

from d2a_core.config import BASELINES, FINETUNED, MAIN, REFINED, TOGETHER, TRAINED, UNTUNED
from d2a_core.evaluation import ablations
from d2a_core.evaluation.protocols import CROSS, FINETUNING, NO_PASSES, SELF, SEQUENCE


@dataclass(frozen=True)
class Method:
    """Scoring of a method: its protocols, and the numbers of closed-loop passes that it has results of."""

    protocols: tuple[str, ...]
    passes: tuple[int, ...] = (NO_PASSES,)

    @property
    def ours(self) -> bool:
        """Whether the workflow animates it; a baseline and another tool have no passes."""
        return NO_PASSES not in self.passes


def by_name(config: Mapping) -> dict[str, Method]:
    """All methods. Ablations are compared in the open loop, as in the paper; fine-tuning on its own pairs.

    Gradient steps start from the open loop.
    """
    section, every = config["evaluation"], (CROSS, SELF, SEQUENCE)
    return {
        MAIN: Method(every, tuple(range(section["passes"] + 1))),
        **{name: Method(every, (0,)) for name in _refined(config)},
        **{name: Method((CROSS,), (0,)) for name in ablations.overlays(config)},
        **{name: Method((FINETUNING,), (0,)) for name in (UNTUNED, FINETUNED)},
        **{name: Method(every) for name in section["external"]},
        **{name: Method((CROSS,)) for name in BASELINES},
    }


def scored_together(config: Mapping) -> dict[str, tuple[str, ...]]:
    """The methods that one job scores, by the name of their table: each alone, but for the baselines."""
    alone = {name: (name,) for name in by_name(config) if name not in BASELINES}
    return alone | {TOGETHER: BASELINES}


def in_table_1(config: Mapping) -> list[str]:
    """Names in `scored_together` of the rows of the table of scores, in order."""
    return [MAIN, *_refined(config), *config["evaluation"]["external"], TOGETHER]


def _refined(config: Mapping) -> list[str]:
    return [REFINED] if config["animations"]["refinements"] else []


def mains_of_table_2(config: Mapping) -> list[str]:
    """Methods that those of `in_table_2` are compared with, one for each protocol."""
    main = TRAINED if TRAINED in ablations.overlays(config) else MAIN
    return [main, *([UNTUNED] if config["evaluation"]["protocols"]["finetuned"] else [])]


def in_table_2(config: Mapping) -> list[str]:
    """Methods in the table of ablations, in its order."""
    finetuned = config["evaluation"]["protocols"]["finetuned"]
    others = [name for name in ablations.overlays(config) if name != TRAINED]
    return [*others, *([FINETUNED] if finetuned else [])]

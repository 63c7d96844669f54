"""Ablations: variants of the configuration that train only what they change (paper, section 4.3)."""

from collections.abc import Mapping

from d2a_core.config import TRAINED

SHARED = ("generator", "landmarks")  # of the main run: another generator or detector is another study


def own_stages(config: Mapping, variant: Mapping, *, name: str) -> tuple[str, ...]:
    """The stages that `variant`, a whole configuration, must run itself: the first changed one and all after.

    What comes before is that of the main run, so nothing is left when only that was changed which is not
    trained. Fewer latents are the first shards of the main run's. Raises ValueError when the ablation called
    `name` changes what all runs share.
    """
    changed = [section for section in (*SHARED, "latents") if variant[section] != config[section]]
    for section in changed:
        if section != "latents" or not _are_first(variant["latents"], config["latents"]):
            raise ValueError(
                f"config: evaluation.ablations.{name} changes {section}, which it shares with the main run; "
                "run it in a folder of its own, or lower latents.samples alone"
            )
    first = {  # of the stages that an ablation may have of its own, in their order
        "clusters": changed or variant["clusters"] != config["clusters"],
        "directions": _trained(variant["directions"]) != _trained(config["directions"]),
        "pairs": {**variant["pairs"], "shards": 0} != {**config["pairs"], "shards": 0},
        "fan": variant["pairs"] != config["pairs"] or _trained(variant["fan"]) != _trained(config["fan"]),
    }
    stages = tuple(first)
    own = next((stages[index:] for index, stage in enumerate(stages) if first[stage]), ())
    # goals hang on none of these stages, and FAN alone hangs on them
    return own if variant["goals"] == config["goals"] else ("goals", *(own or stages[-1:]))


def scaling(config: Mapping) -> dict[str, dict]:
    """Overlays by name, from `evaluation.scaling`: FANs of fewer faces, and of fewer pairs.

    Its `latents_shards` give the numbers of shards that directions come from, with as many pairs as in the
    main run where so few shards have the sources for it; its `pairs_shards` those that FAN learns from.
    Numbers that the main run does not exceed are left out.
    """
    latents, pairs, wanted = config["latents"], config["pairs"], config["evaluation"]["scaling"]
    size, overlays = latents["shard_size"], {}
    for shards in wanted["latents_shards"]:
        if shards * size < latents["samples"]:
            kept = min(shards, pairs["shards"])
            sources = min(size, round(pairs["shards"] * pairs["sources_per_shard"] / kept))
            overlays[f"faces-{shards * size}"] = {
                "latents": {"samples": shards * size},
                "pairs": {"shards": kept, "sources_per_shard": sources},
            }
    for shards in wanted["pairs_shards"]:
        if shards < pairs["shards"]:
            renders = shards * pairs["sources_per_shard"] * pairs["per_source"]
            overlays[f"pairs-{renders}"] = {"pairs": {"shards": shards}}
    return overlays


def overlays(config: Mapping) -> dict[str, Mapping]:
    """Overlay of each ablation by its name: `scaling`, and `evaluation.ablations` without null.

    Where FAN comes in a bundle, one more is what they are compared with: it is trained as they are.
    """
    plain: dict[str, Mapping] = {TRAINED: {}} if config["fan"]["weights"] == "bundle" else {}
    own = config["evaluation"]["ablations"]
    return {**plain, **scaling(config), **{name: over for name, over in own.items() if over is not None}}


def trained_on(config: Mapping) -> dict[str, int]:
    """Training data of a configuration's FAN: `faces` sampled, `pair_renders` of augmented ones."""
    pairs, size = config["pairs"], config["latents"]["shard_size"]
    sources = pairs["shards"] * min(pairs["sources_per_shard"], size)
    return {"faces": config["latents"]["samples"], "pair_renders": sources * pairs["per_source"]}


def _are_first(fewer: Mapping, all_latents: Mapping) -> bool:
    return fewer["samples"] < all_latents["samples"] and all(
        fewer[key] == all_latents[key] for key in all_latents if key != "samples"
    )


def _trained(section: Mapping) -> dict:
    untrained = ("gallery", "finetune", "groups", "weights")
    return {key: value for key, value in section.items() if key not in untrained}

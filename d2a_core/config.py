"""Check the configuration: one sentence that names the key, the value and what is allowed."""

import functools
import unicodedata
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError, relevance

NAME = "^[A-Za-z0-9]+([._]?[A-Za-z0-9]+|-[A-Za-z0-9]+)*$"
# Names of the evaluation's own: its set of faces, its methods, wrong ones with a known row in the table, and
# what these are called together.
HELD_OUT = "held-out"
MAIN, REFINED, TRAINED = "d2animator", "refined", "trained"
UNTUNED, FINETUNED = "untuned", "finetuned"
BASELINES, TOGETHER = ("control-source", "control-target", "control-noise"), "baselines"
PARTS = ("pose", "expression", "lips", "eyes")  # of a driver, each of which may follow a clip of its own
FANS = {"base", "latent", "image"}  # beside those of sources
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where it is there: ten times as fast
PATTERNS = {  # of the schema, in words
    NAME: "it may hold only letters and digits with single . _ - between them",
    "^[0-9a-f]{64}$": "it must be 64 hexadecimal digits in small letters",
    "^https?://.+": "it must start with https:// or http://",
}


@functools.cache
def read_schema(path: Path) -> Mapping[str, Any]:
    """The schema of the configuration; read once."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)


def read(path: Path) -> dict[str, Any]:
    """The sections in a YAML file; raises ValueError when it holds none."""
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML file ({' '.join(str(error).split())}); correct it") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no sections of a config; write it like config.yaml")
    return found


def configuration(root: Path, configfiles: Iterable[Path]) -> dict[str, Any]:
    """The defaults with every one of `configfiles` laid over them, the last one on top."""
    config = read(root / "config.yaml")
    for path in configfiles:
        if not path.is_file():
            raise ValueError(f"{path} does not exist; check the path of the configuration")
        config = merged(config, read(path))
    return config


def check(config: Mapping, schema: Mapping) -> None:
    """Raise ValueError when `config` breaks `schema` or contradicts itself."""
    _check_letters(config)
    error = max(Draft7Validator(schema).iter_errors(config), key=relevance, default=None)
    if error is not None:
        raise ValueError(_sentence(_meant(error)))
    _unique("sources", (source["name"] for source in config["sources"]))
    for name in {source["name"] for source in config["sources"]} & FANS:
        raise ValueError(
            f"config: a source cannot be called {name!r}, a FAN of all has that name; choose another"
        )
    driving = config["driving"]
    clips = [*driving["performances"], *driving["clips"]]
    _unique("driving", (clip["name"] for clip in [*clips, *driving["combinations"]]))
    _check_combinations(
        driving["combinations"], {clip["name"] for clip in clips}, config["animations"]["motion"]
    )
    _check_groups(config)
    _check_gradients(config)
    _check_morphs(config, {clip["name"] for clip in clips})
    latents, pairs = config["latents"], config["pairs"]
    shards, rest = divmod(latents["samples"], latents["shard_size"])
    if rest:
        raise ValueError(
            f"config: latents.samples is {latents['samples']}, no multiple of latents.shard_size "
            f"{latents['shard_size']}; shards are full, so choose {(shards + 1) * latents['shard_size']}"
        )
    if pairs["shards"] > shards:
        raise ValueError(
            f"config: pairs.shards is {pairs['shards']}, but latents.samples gives only {shards} shards; "
            "lower it or raise latents.samples"
        )
    if not any(config["clusters"]["counts"].values()):
        raise ValueError("config: clusters.counts asks for no cluster; give a part at least one k")
    method = config["inversion"]["method"]
    if method != "optimize" and not latents["keep_images"]:
        raise ValueError(
            f"config: inversion.method {method} trains on the drafts of the samples, but latents.keep_images "
            "is false; set it to true, or the method to optimize"
        )
    _check_evaluation(config["evaluation"], [clip["name"] for clip in clips])


def _check_combinations(combinations: Iterable[Mapping], clips: Container[str], motion: str) -> None:
    for entry in combinations:
        parts = [part for part in PARTS if part in entry]
        if not parts:
            raise ValueError(
                f"config: driving.combinations {entry['name']} names no clip; give one for "
                f"{', '.join(PARTS[:-1])} or {PARTS[-1]}"
            )
        if motion == "absolute" and "expression" not in parts:
            raise ValueError(
                "config: animations.motion is absolute, which takes over a whole face, but "
                f"driving.combinations {entry['name']} has no expression; add one, or choose relative"
            )
        for part in parts:
            if entry[part] not in clips:
                raise ValueError(
                    f"config: driving.combinations {entry['name']} takes its {part} from {entry[part]!r}, "
                    "but no clip or performance has that name; add it to driving.clips"
                )


def _check_groups(config: Mapping) -> None:
    wanted = {"all"} if config["animations"]["fan"] == "all" else {"pose", "expression"}
    missing = wanted - set(config["fan"]["groups"])
    if missing:
        raise ValueError(
            f"config: animations.fan is {config['animations']['fan']}, but fan.groups lacks {min(missing)}; "
            "add it"
        )


def _check_morphs(config: Mapping, clips: set[str]) -> None:
    _unique("morphs", (morph["name"] for morph in config["morphs"]))
    sources = {source["name"] for source in config["sources"]}
    for morph in config["morphs"]:
        for key, known in {"source": sources, "start": sources | clips, "end": sources | clips}.items():
            if morph[key] not in known:
                raise ValueError(
                    f"config: morphs has {key} {morph[key]!r} in {morph['name']!r}, but nothing has that "
                    f"name; choose one of {', '.join(sorted(known))}"
                )


def _check_letters(value: object, *steps: object) -> None:
    """Refuse line ends, which the `$` of a pattern lets pass, and braces, the wildcards of Snakemake."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            _check_letters(str(name), *steps, "a name")
            _check_letters(part, *steps, name)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            _check_letters(part, *steps, number)
    elif isinstance(value, str):
        strange = [letter for letter in value if letter in "{}" or unicodedata.category(letter) == "Cc"]
        if strange:
            place = ".".join(map(str, steps))
            raise ValueError(f"config: {place} is {value!r}, but it may not hold {strange[0]!r}; rename it")


def _check_gradients(config: Mapping) -> None:
    detector, wanted = config["landmarks"]["detector"], []
    if config["fan"]["loss"] == "image":
        wanted.append("fan.loss to latent")
    if config["animations"]["refinements"]:
        wanted.append("animations.refinements to 0")
    if detector != "facemesh" and wanted:
        raise ValueError(
            f"config: landmarks.detector is {detector!r}, whose points have no gradients to the picture; "
            f"set {' and '.join(wanted)}, or the detector to facemesh"
        )


def _check_evaluation(evaluation: Mapping, clips: Iterable[str]) -> None:
    plan = evaluation["protocols"]
    if plan["finetuned"] > plan["pairs"]:
        raise ValueError(
            f"config: evaluation.protocols.finetuned is {plan['finetuned']}, but there are only "
            f"{plan['pairs']} pairs, and each such source needs a target; lower it or raise pairs"
        )
    _unique("evaluation.datasets", [HELD_OUT, *clips, *(entry["name"] for entry in evaluation["datasets"])])
    own = MAIN, REFINED, TRAINED, UNTUNED, FINETUNED, *BASELINES, TOGETHER
    _unique("evaluation", [*own, *evaluation["ablations"], *evaluation["external"]])


def variants(config: Mapping, overlays: Mapping[str, Mapping], schema: Mapping) -> dict[str, dict]:
    """The whole configuration of every ablation in `overlays`, by name; with no ablations of its own.

    Raises ValueError, naming the ablation, when one breaks the schema.
    """
    none: dict[str, dict] = {"ablations": {}, "scaling": {"latents_shards": [], "pairs_shards": []}}
    trained = {**config["fan"], "weights": "train"}
    main = {**config, "fan": trained, "evaluation": {**config["evaluation"], **none}}
    found = {}
    for name, overlay in overlays.items():
        found[name] = merged(main, overlay)
        try:
            check(found[name], schema)
        except ValueError as error:
            raise ValueError(f"{error} (in evaluation.ablations.{name})") from None
    return found


def merged(base: Mapping, over: Mapping) -> dict[str, Any]:
    """`base` with the values of `over`; mappings are merged, all else is replaced, as Snakemake does."""
    result = {**base, **over}
    for key in base.keys() & over.keys():
        if isinstance(base[key], Mapping) and isinstance(over[key], Mapping):
            result[key] = merged(base[key], over[key])
    return result


def _unique(section: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(
                f"config: {section} has the name {name!r} twice; names become file names, choose another"
            )
        seen.add(name)


def _meant(error: ValidationError) -> ValidationError:
    """Pick the error of the form that shares most keys with an entry."""
    if error.validator != "oneOf":
        return error
    keys = set(error.instance) if isinstance(error.instance, dict) else set()
    shared = [len(keys & set(form.get("properties", ()))) for form in error.validator_value]
    form = shared.index(max(shared))
    return max((cause for cause in error.context if cause.schema_path[0] == form), key=relevance)


def _sentence(error: ValidationError) -> str:
    place = ".".join(str(step) for step in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        extra = [key for key in error.instance if key not in known]
        if not known:
            name = extra[0]
            return f"config: {place} holds the name {name!r}; use small letters and digits, single - between"
        return (
            f"config: {place} has no key {', '.join(map(repr, extra))}; remove or correct it, known keys are "
            f"{', '.join(known)}"
        )
    if error.validator == "required":
        missing = ", ".join(repr(key) for key in error.validator_value if key not in error.instance)
        return f"config: {place} lacks the key {missing}; copy it from the project's config.yaml"
    meaning = error.schema.get("description", "").rstrip(".")
    return (
        f"config: {place} is {error.instance!r}, but {_rule(error)} ({meaning})"
        if meaning
        else (f"config: {place} is {error.instance!r}, but {_rule(error)}")
    )


def _rule(error: ValidationError) -> str:
    bound = error.validator_value
    words = {
        "enum": lambda: f"it must be one of {', '.join(map(str, bound))}",
        "type": lambda: f"it must be of type {bound if isinstance(bound, str) else ' or '.join(bound)}",
        "minimum": lambda: f"it must be at least {bound}",
        "maximum": lambda: f"it must be at most {bound}",
        "exclusiveMinimum": lambda: f"it must be above {bound}",
        "multipleOf": lambda: f"it must be a multiple of {bound}",
        "pattern": lambda: PATTERNS.get(bound, f"it must be like {bound}"),
        "minItems": lambda: f"it must hold at least {bound} entry",
    }
    return words.get(error.validator, lambda: error.message)()

"""Config, schema and the options of the core say the same; mistakes are one sentence."""

import copy
import functools
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from d2a_core.animation import animations, comparison, footage, goals, morphs, performances, previews, purity
from d2a_core.config import PARTS, check, merged
from d2a_core.directions import directions, gallery
from d2a_core.evaluation import disentanglement, protocols
from d2a_core.faces import identity, landmarks, paste, photo_alignment
from d2a_core.fan import fan, finetuning, image_space, pairs
from d2a_core.generator import generator, origins
from d2a_core.inversion import encoder, hfgi, inversion, sources

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text())
OPTIONS = {
    "generator": (origins.Options, generator.Options),
    "landmarks": landmarks.Options,
    "directions": directions.Options,
    "directions.gallery": gallery.Options,
    "fan": fan.Options,
    "fan.image": image_space.Options,
    "fan.finetune": finetuning.Options,
    "inversion": inversion.Options,
    "encoder": encoder.Options,
    "hfgi": hfgi.Options,
    "animations": animations.Options,
    "animations.paste_back": paste.Options,
    "animations.comparison": comparison.Options,
    "controls": purity.Options,
    "preview": previews.Options,
    "footage": footage.Options,
    "evaluation.protocols": protocols.Options,
    "evaluation.disentanglement": disentanglement.Options,
    "evaluation.identity": identity.Options,
}


FREE = [("evaluation", "ablations")]  # configurations themselves
WORKFLOW = [
    ("fan", "weights"),
    ("fan", "groups"),
    ("fan", "loss"),
]  # what the rules make, no option of a stage


def _objects(schema, path=()):
    if "properties" in schema:
        yield path, schema
        for name, part in schema["properties"].items():
            yield from _objects(part, (*path, name))
        for part in schema.get("patternProperties", {}).values():
            yield from _objects(part, path)
    elif "items" in schema:
        yield from _objects(schema["items"], path)
    for form in schema.get("oneOf", []):
        yield from _objects(form, path)


def _keys(value, path=()):
    if isinstance(value, dict):
        for name, part in value.items():
            yield (*path, name)
            if path + (name,) not in FREE:
                yield from _keys(part, (*path, name))
    elif isinstance(value, list):
        for part in value:
            yield from _keys(part, path)


def test_config_passes_its_schema():
    check(CONFIG, SCHEMA)


@pytest.mark.parametrize("overlay", ["docs/generators.yaml", "tests/config/stylegan2.yaml"])
def test_an_overlay_that_names_a_generator_passes_the_schema(overlay):
    check(merged(CONFIG, yaml.safe_load((ROOT / overlay).read_text())), SCHEMA)


def test_schema_is_closed_complete_described_and_without_defaults():
    for path, part in _objects(SCHEMA):
        assert part["additionalProperties"] is False, path
        users_choice = {("driving", "combinations"): PARTS, ("driving", "clips"): ("face",)}
        optional = users_choice.get(path, ())
        assert part["required"] == [name for name in part["properties"] if name not in optional], path
        for name, leaf in part["properties"].items():
            assert "default" not in leaf, (*path, name)
            if leaf.get("type") != "object":
                assert leaf["description"], (*path, name)


def test_every_key_of_the_config_is_in_the_schema_and_back():
    in_schema = {(*path, name) for path, part in _objects(SCHEMA) for name in part["properties"]}
    users_own = {
        ("sources", "image"),
        ("sources", "face"),
        ("fan", "weights", "url"),
        ("fan", "weights", "sha256"),
        ("evaluation", "identity", "weights", "url"),
        ("evaluation", "identity", "weights", "sha256"),
        ("evaluation", "identity", "weights", "path"),
        ("evaluation", "inception", "url"),
        ("evaluation", "inception", "sha256"),
        ("evaluation", "inception", "path"),
        ("evaluation", "datasets", "name"),
        ("evaluation", "datasets", "images"),
        ("evaluation", "datasets", "clips"),
        ("driving", "clips", "name"),
        ("driving", "clips", "path"),
        ("driving", "clips", "face"),
        ("driving", "combinations", "name"),
        *(("driving", "combinations", part) for part in PARTS),
        ("generator", "checkpoints", "url"),
        ("generator", "checkpoints", "sha256"),
        ("generator", "checkpoints", "path"),
        *(("morphs", field.name) for field in fields(morphs.Options)),
    }  # no photo, no clip, no morph and no checkpoint by default
    assert set(_keys(CONFIG)) | users_own == in_schema


@pytest.mark.parametrize("section", OPTIONS)
def test_options_have_the_keys_of_their_section(section):
    keys = functools.reduce(dict.__getitem__, section.split("."), CONFIG)
    parts = {name.rpartition(".")[2] for name in OPTIONS if name.rpartition(".")[0] == section}
    kinds = OPTIONS[section] if isinstance(OPTIONS[section], tuple) else (OPTIONS[section],)
    names = [field.name for kind in kinds for field in fields(kind)]
    assert names == [key for key in keys if key not in parts and (section, key) not in WORKFLOW]


def test_entries_of_lists_have_the_keys_of_their_class():
    def names(kind):
        return [field.name for field in fields(kind)]

    assert names(sources.Options) == list(CONFIG["sources"][0])
    photo, seeded = SCHEMA["properties"]["sources"]["items"]["oneOf"]
    assert names(photo_alignment.Options) == list(photo["properties"])
    assert names(sources.Options) == list(seeded["properties"])
    assert names(morphs.Options) == list(SCHEMA["properties"]["morphs"]["items"]["properties"])
    assert names(performances.Performance) == list(CONFIG["driving"]["performances"][0])
    for section, plan in (("pairs", pairs.Plan), ("goals", goals.Plan)):
        assert set(names(plan)) - {"shard", "group"} == set(CONFIG[section]) - {"shards"}


def test_a_morph_has_a_source_and_two_poses_that_are_known():
    config = copy.deepcopy(CONFIG)
    morph = {"name": "turn", "source": "anna", "start": "anna", "end": "performance"}
    config["morphs"] = [morph | {"frames": 50, "fps": 25, "loop": False}]
    check(config, SCHEMA)
    config["morphs"][0]["end"] = "ben"
    words = "morphs has end 'ben' in 'turn', but nothing has that name; choose one of anna, performance"
    with pytest.raises(ValueError, match=words):
        check(config, SCHEMA)
    config["morphs"] *= 2
    with pytest.raises(ValueError, match="morphs has the name 'turn' twice"):
        check(config, SCHEMA)


def test_image_space_needs_a_detector_with_gradients():
    config = copy.deepcopy(CONFIG)
    config["landmarks"]["detector"] = "face-alignment"
    words = "no gradients to the picture; set fan.loss to latent and animations.refinements to 0, or the det"
    with pytest.raises(ValueError, match=words):
        check(config, SCHEMA)
    config["fan"]["loss"], config["animations"]["refinements"] = "latent", 0
    check(config, SCHEMA)


def test_an_encoder_needs_the_images_of_the_samples():
    config = copy.deepcopy(CONFIG)
    config["latents"]["keep_images"] = False
    check(config, SCHEMA)
    config["inversion"]["method"] = "encoder"
    with pytest.raises(ValueError, match="method encoder trains on .*keep_images is false; set it to true"):
        check(config, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("generator", "name"), 3, "generator.name is 3, but it must be of type string"),
        (
            ("generator", "draft_size"),
            48,
            "draft_size is 48, but it must be one of 32, 64, 128, ",
        ),
        (("generator", "checkpoints", "My GAN"), {"path": "x.pkl"}, "holds the name 'My GAN'; use small"),
        (("generator", "checkpoints", "ffhq"), {"url": "https://a.org/x.pkl"}, "ffhq lacks the key 'sha256'"),
        (
            ("generator", "checkpoints", "ffhq"),
            {"url": "ftp://a.org/x.pkl", "sha256": None},
            "ffhq.url is 'ftp://a.org/x.pkl', but it must start with https:// or http://",
        ),
        (
            ("generator", "checkpoints", "ffhq"),
            {"url": "https://a.org/x.pkl", "sha256": "abc"},
            "ffhq.sha256 is 'abc', but it must be 64 hexadecimal digits",
        ),
        (
            ("generator", "checkpoints", "own"),
            {"path": "x.pkl", "size": 64},
            "own has no key 'size'; remove or correct it, known keys are path",
        ),
        (
            ("fan", "heatmap_sigma"),
            1.5,
            "fan has no key 'heatmap_sigma'; remove or correct it, known keys are .* heatmap_size, width",
        ),
        (
            ("latents", "sampels"),
            3,
            "latents has no key 'sampels'; remove or correct it, known keys are samples",
        ),
        (("fan", "epochs"), 0, "fan.epochs is 0, but it must be at least 1"),
        (("fan", "epochs"), "ten", "fan.epochs is 'ten', but it must be of type integer"),
        (
            ("fan", "output"),
            "both",
            "fan.output is 'both', but it must be one of coefficients, direct",
        ),
        (("animations", "comparison", "height"), 333, "must be a multiple of 2"),
        (("animations", "motion_scale"), -1, "animations.motion_scale is -1, but it must be at least 0"),
        (("animations", "neutral_s"), "first", "neutral_s is 'first', but it must be of type number or null"),
        (("sources", 0, "name"), "a--b", "sources.0.name is 'a--b', but it may hold only letters"),
        (
            ("sources", 0),
            {"name": "me", "image": "me.jpg"},
            "sources.0 lacks the key 'face'; copy it",
        ),
        (
            ("sources", 0),
            {"name": "me", "image": "me.jpg", "face": -1},
            "sources.0.face is -1, but it must be at least 0",
        ),
        (
            ("sources", 0),
            {"name": "me", "image": "me.jpg", "face": 0, "seed": 3},
            "sources.0 has no key 'seed'; remove or correct it, known keys are name, image, face",
        ),
        (
            ("sources", 0),
            {"name": "me", "seed": 3, "truncation": 0.7, "image": "me.jpg"},
            "sources.0 has no key 'image'; remove or correct it, known keys are name, seed, truncation",
        ),
        (("sources", 0, "seed"), -4, "sources.0.seed is -4, but it must be at least 0"),
        (("sources", 0), "me.jpg", "sources.0 is 'me.jpg', but it must be of type object"),
        (
            ("sources",),
            [{"name": "a", "seed": 1, "truncation": 1}, {"name": "a", "image": "a.jpg", "face": 0}],
            "sources has the name 'a' twice",
        ),
        *(
            (("sources", 0, "name"), name, f"a source cannot be called '{name}', a FAN of all has that name")
            for name in ("base", "latent", "image")
        ),
        (("sources",), [], "sources is \\[\\], but it must hold at least 1 entry"),
        (
            ("evaluation", "protocols", "finetuned"),
            30,
            "finetuned is 30, but there are only 24 pairs",
        ),
        (
            ("evaluation", "datasets"),
            [{"name": "performance", "images": "photos"}],
            "evaluation.datasets has the name 'performance' twice",
        ),
        (("evaluation", "external"), {"sefa": "x"}, "evaluation has the name 'sefa' twice"),
        (
            ("evaluation", "inception"),
            {"url": "https://a.org/x.pth"},
            "evaluation.inception lacks the key 'sha256'",
        ),
        (
            ("evaluation", "inception"),
            "inception.pth",
            "inception is 'inception.pth', but it must be one of torch-fidelity .Or {path: …}, {url: …",
        ),
        (("latents", "samples"), 1000, "samples is 1000, no multiple of .* 600; .* choose 1200"),
        (("pairs", "shards"), 99, "pairs.shards is 99, but latents.samples gives only 4 shards"),
        (
            ("driving", "clips"),
            [{"name": "performance", "path": "x.mp4"}],
            "name 'performance' twice",
        ),
        (
            ("driving", "combinations"),
            [{"name": "mix", "pose": "performance", "expression": "smile"}],
            "combinations mix takes its expression from 'smile', but no clip",
        ),
        (
            ("driving", "combinations"),
            [{"name": "mix", "pose": "performance", "lips": "smile"}],
            "combinations mix takes its lips from 'smile', but no clip .*; add it to driving.clips",
        ),
        (
            ("driving", "combinations"),
            [{"name": "mix"}],
            "combinations mix names no clip; give one for pose, expression, lips or eyes",
        ),
        (
            ("driving", "combinations"),
            [{"name": "mix", "brows": "performance"}],
            "combinations.0 has no key 'brows'; .* known keys are name, pose, expression, lips, eyes",
        ),
        (("fan", "groups"), ["pose", "expression"], "animations.fan is all, but fan.groups lacks all"),
        (("clusters", "counts"), {}, "clusters.counts lacks the key 'all'"),
    ],
)
def test_a_mistake_is_one_sentence_with_key_value_and_remedy(path, value, words):
    config = copy.deepcopy(CONFIG)
    place = config
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=words) as caught:
        check(config, SCHEMA)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("parts", [("pose",), ("lips",), ("eyes",), ("pose", "expression", "lips", "eyes")])
def test_a_combination_may_leave_parts_out(parts):
    entry = {"name": "mix", **dict.fromkeys(parts, "performance")}
    config = merged(CONFIG, {"driving": {"combinations": [entry]}})
    check(config, SCHEMA)
    absolute = merged(config, {"animations": {"motion": "absolute"}})
    if "expression" in parts:
        check(absolute, SCHEMA)
        return
    with pytest.raises(ValueError, match="animations.motion is absolute, .* mix has no expression; add one"):
        check(absolute, SCHEMA)

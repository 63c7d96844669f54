import re
from dataclasses import dataclass, replace
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from d2a_core.commands import requests
from d2a_core.commands.requests import FIELDS, KEYS, Request, Values, asked, default_output, slug
from d2a_core.commands.studio import server
from d2a_core.config import PARTS, merged
from d2a_core.faces import controls

ROOT = Path(__file__).parents[3]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
REQUEST = Request(source="me.png", driving=Path("talk.mp4"), output=Path("out.mp4"), work=Path("work"))


@dataclass(frozen=True, kw_only=True)
class Meal:
    """A request for dinner."""

    dish: str = asked("What to cook.", required=True)
    guests: int = asked("How many come.", default=2)
    cook_s: float | None = asked("How long.", metavar="SECONDS")
    salt: bool | None = asked("Season it.")
    vegan: bool = asked("Without animals.", default=False)
    recipe: Path | None = asked("Where it stands.")
    secret: int = 0


def served(*words, options=()):
    """Arguments and output of a command with the options of a meal."""
    given = {}

    @click.command()
    @requests.options(Meal, *options, guests={"help": "How many eat."})
    def cook(**values):
        given.update(values)

    return given, CliRunner().invoke(cook, words).output


def test_a_request_makes_its_options_in_the_order_of_its_fields():
    _, text = served("--help")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.startswith("  --")][:-1]
    assert lines == [
        "--dish TEXT What to cook. [required]",
        "--guests INTEGER How many eat. [default: 2]",
        "--cook-s SECONDS How long.",
        "--salt / --no-salt Season it.",
        "--vegan Without animals.",
        "--recipe PATH Where it stands.",
    ]


def test_options_give_values_of_the_types_of_the_fields():
    given, _ = served("--dish", "rice", "--no-salt", "--cook-s", "60", "--recipe", "a.txt")
    whole = Meal(dish="rice", cook_s=60.0, salt=False, recipe=Path("a.txt"))
    assert Meal(**given) == whole and isinstance(given["cook_s"], float)
    assert "Missing option '--dish'" in served()[1]
    assert served("--vegan", options=("vegan", "salt"))[0] == {"vegan": True, "salt": None}


def test_the_page_has_an_input_for_each_field_that_it_shows():
    page = (Path(server.__file__).parent / "page" / "index.html").read_text()
    assert {*re.findall(r'data-option="(\w+)"', page), "paste_back"} == set(FIELDS["animation"])
    assert FIELDS["source"] == {"face": int, "method": str, "tune": bool}
    assert FIELDS["animation"]["neutral"] is float and FIELDS["animation"]["paste_back"] is bool


def test_an_edit_has_an_option_for_each_control():
    assert list(requests.kinds(Values)) == [control.name for control in controls.CONTROLS]


def test_every_setting_is_a_key_of_the_config():
    for key in KEYS.values():
        section, _, leaf = key.partition(".")
        assert leaf in CONFIG[section]


def test_settings_are_only_those_that_were_given():
    assert REQUEST.settings == {}
    some = replace(REQUEST, motion_scale=0.0, tune=False, neutral=1.5)
    assert some.settings == {
        "animations": {"neutral_s": 1.5, "motion_scale": 0.0},
        "inversion": {"tune": False},
    }


@pytest.mark.parametrize(
    ("stem", "name"),
    [("me", "me"), ("IMG_2041 (1)", "IMG-2041-1"), ("Zoë", "Zoe"), ("фото", "photo"), ("--a--b--", "a-b")],
)
def test_a_slug_is_a_name_that_the_config_takes(stem, name):
    assert slug(stem, "photo") == name
    assert slug("a-" * 40, "photo") == "a-" * 19 + "a"


def test_the_default_output_is_named_after_both():
    assert default_output("x/me.jpg", Path("y/talk.mov")) == Path("me--talk.mp4")
    assert default_output("seed:21", Path("talk.mov")) == Path("seed-21--talk.mp4")


def test_merging_replaces_lists_and_keeps_other_keys():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merged(base, {"a": {"c": [5]}, "e": 6}) == {"a": {"b": 1, "c": [5]}, "d": 3, "e": 6}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 3}


def test_one_part_that_is_driven_leaves_the_other_still():
    head = replace(REQUEST, driving=None, pose_from=Path("talk.mp4"))
    face = replace(REQUEST, driving=None, expression_from=Path("talk.mp4"))
    assert head.settings == {"animations": {"expression_scale": 0.0}}
    assert face.settings == {"animations": {"pose_scale": 0.0}}
    assert replace(head, expression_from=Path("me.png")).settings == {}
    assert Request(source="me.png", work=Path("work")).settings == {}


@pytest.mark.parametrize("region", ["lips_from", "eyes_from"])
def test_a_region_alone_leaves_the_head_still_and_beside_others_nothing_else(region):
    own = {region: Path("talk.mp4")}
    alone = replace(REQUEST, driving=None, **own)
    assert alone.settings == {"animations": {"pose_scale": 0.0}}
    assert replace(alone, pose_from=Path("me.png")).settings == {}
    assert replace(REQUEST, **own).settings == {}


def test_the_options_of_drivers_are_the_parts_of_a_combination():
    assert [f"{part}_from" for part in PARTS] == list(requests.PART_DRIVERS)
    given = {name: Path(f"{name}.mp4") for name in requests.PART_DRIVERS}
    whole = Request(source="me.png", work=Path("work"), **given)
    assert whole.parts == {part: Path(f"{part}_from.mp4") for part in PARTS} and whole.combined


def test_a_driver_moves_what_has_no_clip_of_its_own():
    assert REQUEST.parts == {"pose": Path("talk.mp4"), "expression": Path("talk.mp4")}
    dubbed = replace(REQUEST, lips_from=Path("sing.mp4"))
    assert dubbed.parts == REQUEST.parts | {"lips": Path("sing.mp4")}
    assert dubbed.combined and not REQUEST.combined
    assert replace(REQUEST, driving=None, lips_from=Path("sing.mp4")).combined
    assert not replace(REQUEST, driving=None, pose_from=Path("talk.mp4")).combined


def test_the_name_of_a_result_has_both_drivers():
    assert default_output("me.jpg", None, Path("a/talk.mp4"), Path("smile.png")) == Path(
        "me--talk-and-smile.mp4"
    )
    assert default_output("me.jpg", Path("talk.mp4"), None, Path("talk.mp4")) == Path("me--talk.mp4")

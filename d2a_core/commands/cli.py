"""The command line `d2a`: thin commands over the same core that the workflow runs."""

from pathlib import Path
from typing import Any

import click

import d2a_core
from d2a_core.commands import matrix, morph_requests, requests
from d2a_core.commands.morph_requests import MorphRequest
from d2a_core.commands.requests import PATH, Request, Values, options
from d2a_core.commands.runs import Outcome
from d2a_core.commands.sentences import Group, say, say_all


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(d2a_core.__version__, prog_name="d2a")
def main() -> None:
    """Animate faces with a pretrained StyleGAN."""


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
def inspect(path: Path) -> None:
    """Describe a table, store, checkpoint, picture, video or asset folder."""
    from d2a_core.workflow.inspection import describe

    click.echo(describe(path))


@main.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
def verify(folders: tuple[Path, ...]) -> None:
    """Read all artefacts in FOLDERS, by default results and data/assets, and tell which are damaged.

    Stages compare sizes and what they read; this reads everything. Exit code 1 when something is damaged.
    """
    from d2a_core import runtime
    from d2a_core.workflow import verification

    folders = folders or tuple(path for path in (Path("results"), Path("data/assets")) if path.is_dir())
    progress = runtime.Progress(runtime.start_log(None), "verify", 0, unit="artefacts")
    report = verification.verify(folders or (Path("results"),), progress)
    click.echo("\n".join(report.lines()))
    if report.damages:
        raise SystemExit(1)


@main.command()
@click.argument("names", nargs=-1)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/assets"),
    show_default=True,
    help="Where each asset gets a folder of its name.",
)
def fetch(names: tuple[str, ...], folder: Path) -> None:
    """Fetch the model files NAMES, or all that are known."""
    from d2a_core import runtime
    from d2a_core.store import assets

    log = runtime.start_log(None)
    for name in names or assets.ASSETS:
        assets.fetch(assets.named(name), folder / name, log=log)


@main.command()
@click.argument("source", metavar="IN", type=PATH)
@click.argument("target", metavar="OUT.safetensors", type=PATH)
@click.option("--label", type=int, help="Class of a conditional checkpoint, from 0.")
def convert(source: Path, target: Path, label: int | None) -> None:
    """Convert a StyleGAN2 checkpoint into the format in which it is kept.

    IN is a pickle by NVIDIA (PyTorch or TensorFlow), a .pt by rosinality, pSp, e4e or BasicSR, or a state
    dict of such a network. Nothing in it is executed.
    """
    from d2a_core.generator import foreign_checkpoints

    converted = foreign_checkpoints.convert(source, target, label=label)
    click.echo("\n".join(converted.notes), err=True, nl=bool(converted.notes))
    architecture = converted.architecture
    click.echo(
        f"{target}: StyleGAN2 {architecture.synthesis}, {architecture.resolution} px, "
        f"{architecture.num_layers} layers of W+"
    )


@main.command(cls=matrix.Command)
@click.argument("photos", nargs=-1, metavar="[PHOTO]...")
@options(Request, **matrix.OPTIONS)
def animate(
    photos: tuple[str, ...], source: tuple[str, ...], driving: tuple[Path, ...], **given: Any
) -> None:
    """Let the face of a photo, or of a video, move like a video.

    Every PHOTO, and every --source, meets every clip of --driving: d2a animate A.jpg B.jpg --driving x.mp4
    y.mp4 makes four videos in one run. PHOTOs stand before the options, or after a lone --. A video that
    cannot be made costs no other; the exit code is 1 then.

    Every stage is cached in the work directory: a second call computes only what is new. Animate a
    real person only with that person's consent.
    """
    from d2a_core.commands import animate

    if not photos + source:
        raise click.UsageError("nobody to animate; give a photo, or --source seed:N")
    wanted = matrix.requests_of(photos + source, driving, _in_place(given))
    if given["preview"]:
        return _previews(wanted)
    if len(wanted) > 1:
        outcomes, log = animate.animate_all(wanted)
        if not wanted[0].dry_run:
            say_all(wanted, outcomes)
        click.echo(f"{'log':<14}{log}")
        if any(outcome.reason for outcome in outcomes):
            raise SystemExit(1)
        return
    say(animate.animate(wanted[0]))


def _previews(wanted: list[Request]) -> None:
    """Make previews, one after the other."""
    from d2a_core.commands import preview

    outcomes = preview.preview_all(wanted) if len(wanted) > 1 else [Outcome(preview.preview(wanted[0]))]
    if len(wanted) > 1:
        say_all(wanted, outcomes)
    else:
        say(outcomes[0].paths)
    if any(outcome.reason for outcome in outcomes):
        raise SystemExit(1)


def _in_place(given: dict[str, Any]) -> dict[str, Any]:
    """Options with the project as the work directory where none is given."""
    return given | {"work": given["work"] or d2a_core.ROOT}


@main.command()
@click.argument("start", metavar="A")
@click.argument("end", metavar="B")
@options(MorphRequest)
def morph(**given: Any) -> None:
    """Let one face go from pose A to pose B in even steps.

    A and B are pictures of faces, landmark tables (.parquet) or seed:N, whose pose and expression the source
    takes. Stages are cached in the work directory.
    """
    from d2a_core.animation import morphs
    from d2a_core.commands import morph
    from d2a_core.store import tables

    given["output"] = given["output"] or morph_requests.default_output(given["start"], given["end"])
    paths = morph.morph(MorphRequest(**_in_place(given)))
    for what, path in paths.items():
        click.echo(f"{what:<14}{path}")
    if "figures" in paths:
        click.echo(morphs.summary(tables.read_parquet(paths["figures"]).to_pylist()[0]))


def _about_source(command: requests.Command) -> requests.Command:
    """Add the options of the commands that make a picture of one source."""
    tune = {"help": "Tune the generator to the photo: closer, slower."}
    before_after = click.option(
        "--before-after", type=PATH, help="Also write the source beside the result (.png)."
    )
    source = options(Request, "work", "face", "method", "tune", "paste_back", tune=tune)
    return source(before_after(options(Request, "cores", "configfile")(command)))


def _picture(
    source: str,
    output: Path | None,
    what: str,
    values: dict[str, float] | None,
    *,
    before_after: Path | None,
    **given: Any,
) -> None:
    """Make a picture of a source and say what came of it."""
    from d2a_core.commands import edit

    output = output or edit.default_output(source, what)
    made = edit.make(Request(source=source, **_in_place(given)), edit.Wanted(values, output, before_after))
    click.echo("\n".join(edit.shown(made, [output, before_after])))


def _video(
    source: str,
    output: Path | None,
    values: dict[str, float],
    *,
    before_after: Path | None,
    paste_back: bool,
    **given: Any,
) -> None:
    """Edit a video and say what came of it."""
    from d2a_core.commands import edit_video

    if before_after is not None:
        raise click.UsageError("--before-after is for photos, but the source is a video; leave it out")
    output = output or Path(f"{requests.slug(Path(source).stem, 'clip')}--edited.mp4")
    wanted = Request(source=source, driving=Path(source), **_in_place(given))
    click.echo("\n".join(edit_video.make(wanted, values, output)))


@main.command()
@click.argument("source", metavar="SOURCE")
@click.option(
    "--output", type=PATH, help="Picture (.png) or video (.mp4) to write.  [default: <source>--edited]"
)
@options(Values)
@_about_source
def edit(source: str, output: Path | None, **given: Any) -> None:
    """Move the face of SOURCE, a photo, seed:N or a video, by named controls.

    Of a video every frame is inverted, moved and put back, with its sound. What is not named stays as it is.
    Ranges are those of results/controls/purity.md; beyond them the nearest value is used, and said. Edit a
    real person only with that person's consent.
    """
    from d2a_core.media.recognition import kind_of_file

    asked = {name: given.pop(name) for name in requests.kinds(Values)}
    values = {name: value for name, value in asked.items() if value is not None}
    if not values:
        raise click.UsageError("nothing to edit; name a control, such as --smile 1")
    if Path(source).exists() and kind_of_file(source).name == "video":
        return _video(source, output, values, **given)
    _picture(source, output, "edited", values, **given)


@main.command()
@click.argument("source", metavar="SOURCE")
@click.option("--output", type=PATH, help="The picture to write (.png).  [default: <source>--front.png]")
@_about_source
def frontalize(source: str, output: Path | None, **given: Any) -> None:
    """Turn the face of SOURCE, a photo or seed:N, into the camera, its expression kept."""
    _picture(source, output, "front", None, **given)


@main.command()
@click.argument("targets", nargs=-1)
@click.option("--configfile", "configfiles", type=PATH, multiple=True, help="YAML file over config.yaml.")
@click.option(
    "--rates", "measured", type=PATH, multiple=True, help="Results of finished runs, or saved rates."
)
@click.option("--save-rates", type=PATH, metavar="FILE", help="Keep rates of this machine, and do not plan.")
@click.option("--workflow-profile", type=PATH, help="Folder of a profile, such as profiles/slurm.")
@click.option("--all", "everything", is_flag=True, help="Plan what is done already, too.")
@click.option("--cores", type=click.IntRange(1), help="Processors of one machine.  [default: all]")
@click.option("--jobs", type=click.IntRange(1), help="Jobs at a time, one a node.  [default: the profile's]")
@click.option("--work", type=PATH, help="Folder with the results.  [default: that of the project]")
def plan(
    measured: tuple[Path, ...], save_rates: Path | None, cores: int | None, jobs: int | None, **options: Any
) -> None:
    """Say what the workflow will cost, before it runs: time, memory and disk of every rule."""
    from d2a_core.workflow import plan_table, planning, rates

    known = rates.read(measured or [d2a_core.ROOT / "docs" / "rates.yaml"])
    if save_rates is not None:
        rates.save(known, save_rates)
        return
    costs, nodes = planning.plan(d2a_core.ROOT, known, **options)
    nodes = jobs or (None if cores else nodes)
    cores = None if nodes else cores or rates.usable_cores()
    click.echo(plan_table.show(costs, known, cores=cores, nodes=nodes))


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=7860, show_default=True, help="0: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--work", type=PATH, help="Folder where stages are cached.  [default: that of the project]")
@click.option("--cores", type=click.IntRange(1), help="Processors to use.  [default: all]")
@click.option("--configfile", type=PATH, help="YAML file over config.yaml.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def studio(work: Path | None, **options: Any) -> None:
    """Serve a page in the browser: choose a face, drag sliders, animate, look at results.

    It needs make studio once. Nobody but this machine can reach it unless --host says so.
    """
    from d2a_core.commands.studio.server import Options, serve

    serve(Options(work=work or d2a_core.ROOT, **options), click.echo)


RESULTS = click.Path(path_type=Path, exists=True, file_okay=False)


@main.command()
@click.argument("first", type=RESULTS)
@click.argument("second", type=RESULTS)
@click.option("--all", "everything", is_flag=True, help="List every artefact that differs.")
@click.option("--values", "values_only", is_flag=True, help="Provenance and encoding may differ.")
@click.pass_context
def diff(ctx: click.Context, first: Path, second: Path, everything: bool, values_only: bool) -> None:
    """Say in which artefact two results folders first differ, and how.

    The exit code is 0 when they are equal, 1 when they differ and 2 for wrong use.
    """
    from d2a_core.workflow import difference

    try:
        stages = difference.compare(first, second, values_only=values_only)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(difference.show(stages, everything=everything))
    ctx.exit(any(stage.differing for stage in stages))

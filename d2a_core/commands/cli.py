"""The command line `d2a`: thin commands over the same core that the workflow runs."""

from pathlib import Path
from typing import Any

import click

import d2a_core
from d2a_core.store.kinds import kind_of


class Group(click.Group):
    """Ends ValueError and OSError as one line with exit code 1, wrong options with 2, Ctrl-C with 130."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the context names."""
        from d2a_core.runtime import one_line

        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click is silent about a reader like `head` that has gone
        except click.UsageError as error:
            error.ctx = None  # its usage lines hide the sentence
            raise
        except (ValueError, OSError) as error:
            raise click.ClickException(one_line(error)) from error
        except KeyboardInterrupt as error:
            click.echo(str(error) or "Interrupted", err=True)
            ctx.exit(130)


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


PATH = click.Path(path_type=Path)


@main.command()
@click.argument("source", metavar="IN", type=PATH)
@click.argument("target", metavar="OUT.safetensors", type=PATH)
@click.option("--label", type=int, help="Class of a conditional checkpoint, from 0.")
def convert(source: Path, target: Path, label: int | None) -> None:
    """Convert a StyleGAN2 checkpoint into the format in which it is kept.

    IN is a pickle by NVIDIA (PyTorch or TensorFlow) or a .pt by rosinality. Nothing in it is executed.
    """
    from d2a_core.generator import foreign_checkpoints

    architecture = foreign_checkpoints.convert(source, target, label=label).architecture
    click.echo(
        f"{target}: StyleGAN2 {architecture.synthesis}, {architecture.resolution} px, "
        f"{architecture.num_layers} layers of W+"
    )


@main.command()
@click.option("--source", required=True, help="Photo of a face, or seed:N for a face that does not exist.")
@click.option("--driving", type=PATH, help="Video or picture of a face, or a driving table (.parquet).")
@click.option("--pose-from", type=PATH, help="In its place: what the head follows.")
@click.option("--expression-from", type=PATH, help="In its place: what mouth, eyes and brows follow.")
@click.option("--output", type=PATH, help="The video to write.  [default: <source>--<driving>.mp4]")
@click.option("--work", type=PATH, help="Folder where stages are cached.  [default: that of the project]")
@click.option("--face", type=int, help="Which face of the photo: 1 the largest, 2 the next, …")
@click.option("--motion", help="relative (keeps the source's face shape) or absolute (the paper).")
@click.option("--neutral", type=float, metavar="SECONDS", help="When the driver's face is at rest.")
@click.option("--rest-lips", help="driver (an open mouth starts closed) or source (as on the photo).")
@click.option("--motion-scale", type=float, help="Strength of all motion, 1 is the driver's.")
@click.option("--pose-scale", type=float, help="Strength of the head's turns.")
@click.option("--expression-scale", type=float, help="Strength of mouth, eyes and brows.")
@click.option("--corrections", type=int, help="Passes that correct mouth, eyes, brows and turn one by one.")
@click.option("--fan", help="all, or groups: one network for the head and one for the face.")
@click.option("--fps", type=float, help="Frames a second of the video.  [default: the driver's]")
@click.option("--slow-motion", type=float, metavar="TIMES", help="How much longer than the driver it lasts.")
@click.option("--loop/--no-loop", default=None, help="End where it began, to play without end.")
@click.option("--method", help="How the photo is inverted; see `inversion` in config.yaml.")
@click.option("--tune/--no-tune", default=None, help="Tune the generator to the photo: closer, and slower.")
@click.option("--paste-back", is_flag=True, help="Blend the face into the uncropped photo.")
@click.option("--side-by-side", type=PATH, help="Also write source, driver and result beside one another.")
@click.option("--frames", type=PATH, metavar="FOLDER", help="Also write the frames as png pictures.")
@click.option("--cores", type=int, help="Processors to use.  [default: all]")
@click.option("--configfile", type=PATH, help="YAML file over config.yaml.")
@click.option("--dry-run", is_flag=True, help="Only say which stages would run.")
def animate(output: Path | None, work: Path | None, **options: Any) -> None:
    """Let the face of a photo move like a video.

    Every stage is cached in the work directory: a second call computes only what is new. Animate a
    real person only with that person's consent.
    """
    from d2a_core.animation import assessment
    from d2a_core.commands import animate as animate_command
    from d2a_core.commands import requests
    from d2a_core.store import tables

    drivers = [options[name] for name in requests.DRIVERS]
    output = output or requests.default_output(options["source"], *drivers)
    wanted = requests.Request(output=output, work=work or d2a_core.ROOT, **options)
    paths = animate_command.animate(wanted)
    for what, path in paths.items():
        click.echo(f"{what:<14}{path}")
    if "figures" in paths:
        click.echo(assessment.summary(tables.read_parquet(paths["figures"]).to_pylist()[0]))


@main.command()
@click.argument("start", metavar="A")
@click.argument("end", metavar="B")
@click.option("--source", help="Photo or seed:N whose face takes the poses.  [default: A]")
@click.option("--frames", type=int, default=50, show_default=True, help="Frames from A to B.")
@click.option("--fps", type=float, default=25.0, show_default=True, help="Frames a second.")
@click.option("--loop", is_flag=True, help="Come back by the same way, to play without end.")
@click.option(
    "--motion", help="absolute (A and B are one person) or relative (others).  [default: by --source]"
)
@click.option("--output", type=PATH, help="The video to write.  [default: <A>--<B>.mp4]")
@click.option("--work", type=PATH, help="Folder where stages are cached.  [default: that of the project]")
@click.option("--method", help="How a photo is inverted; see `inversion` in config.yaml.")
@click.option("--tune/--no-tune", default=None, help="Tune the generator to the photo: closer, and slower.")
@click.option("--cores", type=int, help="Processors to use.  [default: all]")
@click.option("--configfile", type=PATH, help="YAML file over config.yaml.")
@click.option("--dry-run", is_flag=True, help="Only say which stages would run.")
def morph(output: Path | None, work: Path | None, **options: Any) -> None:
    """Let one face go from pose A to pose B in even steps.

    A and B are pictures of faces, landmark tables (.parquet) or seed:N, whose pose and expression the source
    takes. Stages are cached in the work directory.
    """
    from d2a_core.animation import morphs
    from d2a_core.commands import morph as morph_command
    from d2a_core.commands import morph_requests
    from d2a_core.store import tables

    output = output or morph_requests.default_output(options["start"], options["end"])
    wanted = morph_requests.MorphRequest(output=output, work=work or d2a_core.ROOT, **options)
    paths = morph_command.morph(wanted)
    for what, path in paths.items():
        click.echo(f"{what:<14}{path}")
    if "figures" in paths:
        click.echo(morphs.summary(tables.read_parquet(paths["figures"]).to_pylist()[0]))


def _about_source(function: Any) -> Any:
    """Options of the commands that make a picture of one source."""
    options = (
        click.option(
            "--work", type=PATH, help="Folder where stages are cached.  [default: that of the project]"
        ),
        click.option("--face", type=int, help="Which face of the photo: 1 the largest, 2 the next, …"),
        click.option("--method", help="How the photo is inverted; see `inversion` in config.yaml."),
        click.option(
            "--tune/--no-tune", default=None, help="Tune the generator to the photo: closer, slower."
        ),
        click.option("--paste-back", is_flag=True, help="Blend the face into the uncropped photo."),
        click.option("--before-after", type=PATH, help="Also write the source beside the result (.png)."),
        click.option("--cores", type=int, help="Processors to use.  [default: all]"),
        click.option("--configfile", type=PATH, help="YAML file over config.yaml."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _picture(
    source: str,
    output: Path | None,
    what: str,
    values: dict[str, float] | None,
    *,
    work: Path | None,
    paste_back: bool,
    before_after: Path | None,
    **options: Any,
) -> None:
    """Make a picture of a source and say what came of it."""
    from d2a_core.commands import edit as edit_command
    from d2a_core.commands import requests

    output = output or edit_command.default_output(source, what)
    wanted = edit_command.Wanted(values, output, before_after, paste_back)
    place = requests.Request(source=source, driving=None, output=None, work=work or d2a_core.ROOT, **options)
    made = edit_command.make(place, wanted)
    click.echo("\n".join(edit_command.shown(made, [output, before_after])))


def _video(
    source: str,
    output: Path | None,
    values: dict[str, float],
    *,
    work: Path | None,
    paste_back: bool,
    before_after: Path | None,
    **options: Any,
) -> None:
    """Edit a video and say what came of it."""
    from d2a_core.commands import edit_video, requests

    if before_after is not None:
        raise click.UsageError("--before-after is for photos, but the source is a video; leave it out")
    output = output or Path(f"{requests.slug(Path(source).stem, 'clip')}--edited.mp4")
    place = requests.Request(
        source=source, driving=Path(source), output=None, work=work or d2a_core.ROOT, **options
    )
    click.echo("\n".join(edit_video.make(place, values, output)))


@main.command()
@click.argument("source", metavar="SOURCE")
@click.option(
    "--output", type=PATH, help="Picture (.png) or video (.mp4) to write.  [default: <source>--edited]"
)
@click.option("--yaw", type=float, metavar="DEGREES", help="Turn the head to the right of the picture.")
@click.option("--pitch", type=float, metavar="DEGREES", help="Turn the head up.")
@click.option(
    "--mouth-open", type=float, metavar="S.D.", help="In standard deviations of faces, as all below."
)
@click.option("--smile", type=float, metavar="S.D.", help="Corners of the mouth apart and up.")
@click.option("--eyes-closed", type=float, metavar="S.D.", help="Lids together.")
@click.option("--brows-up", type=float, metavar="S.D.", help="Brows away from the eyes.")
@click.option("--gaze-x", type=float, metavar="S.D.", help="Pupils to the right of the picture.")
@click.option("--gaze-y", type=float, metavar="S.D.", help="Pupils down.")
@_about_source
def edit(
    source: str,
    output: Path | None,
    yaw: float | None,
    pitch: float | None,
    mouth_open: float | None,
    smile: float | None,
    eyes_closed: float | None,
    brows_up: float | None,
    gaze_x: float | None,
    gaze_y: float | None,
    **options: Any,
) -> None:
    """Move the face of SOURCE, a photo, seed:N or a video, by named controls.

    Of a video every frame is inverted, moved and put back, with its sound. What is not named stays as it is.
    Ranges are those of results/controls/purity.md; beyond them the nearest value is used, and said. Edit a
    real person only with that person's consent.
    """
    given = {
        "yaw": yaw,
        "pitch": pitch,
        "mouth_open": mouth_open,
        "smile": smile,
        "eyes_closed": eyes_closed,
        "brows_up": brows_up,
        "gaze_x": gaze_x,
        "gaze_y": gaze_y,
    }
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        raise click.UsageError("nothing to edit; name a control, such as --smile 1")
    if kind_of(source) == "video":
        return _video(source, output, values, **options)
    _picture(source, output, "edited", values, **options)


@main.command()
@click.argument("source", metavar="SOURCE")
@click.option("--output", type=PATH, help="The picture to write (.png).  [default: <source>--front.png]")
@_about_source
def frontalize(source: str, output: Path | None, **options: Any) -> None:
    """Turn the face of SOURCE, a photo or seed:N, into the camera, its expression kept."""
    _picture(source, output, "front", None, **options)


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

"""The command line `d2a`: thin commands over the same core that the workflow runs."""

from pathlib import Path
from typing import Any

import click

import d2a_core


class Group(click.Group):
    """Ends a ValueError or OSError as one line with exit code 1, and Ctrl-C with 130."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the context names."""
        from d2a_core.runtime import one_line

        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click is silent about a reader like `head` that has gone
        except (ValueError, OSError) as error:
            raise click.ClickException(one_line(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted", err=True)
            ctx.exit(130)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(d2a_core.__version__, prog_name="d2a")
def main() -> None:
    """Animate faces with a pretrained StyleGAN."""


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
def inspect(path: Path) -> None:
    """Describe a table, store, checkpoint, picture, video or asset folder."""
    from d2a_core.inspection import describe

    click.echo(describe(path))


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
    from d2a_core import assets, runtime

    log = runtime.start_log(None)
    for name in names or assets.ASSETS:
        assets.fetch(name, folder / name, log=log)

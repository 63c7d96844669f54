"""How the command line ends and what it says: mistakes as one line, videos with their figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from d2a_core.commands import matrix
from d2a_core.commands.requests import Request
from d2a_core.commands.runs import Outcome


class Group(click.Group):
    """Ends ValueError and OSError as one line with exit code 1, wrong options with 2, Ctrl-C with 130."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the context names."""
        from d2a_core.runtime import one_line

        words = [*ctx._protected_args, *ctx.args]
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click is silent about a reader like `head` that has gone
        except click.NoSuchOption as error:
            files = [word for word in words if word.startswith("-") and Path(word).exists()]
            hint = "".join(f"; the file of this name is ./{word}" for word in files)
            raise click.UsageError(error.format_message().removesuffix(".") + hint) from error
        except click.UsageError as error:
            error.ctx = None  # its usage lines hide the sentence
            raise
        except (ValueError, OSError) as error:
            raise click.ClickException(one_line(error)) from error
        except KeyboardInterrupt as error:
            click.echo(str(error) or "Interrupted", err=True)
            ctx.exit(130)


def say_all(wanted: Sequence[Request], outcomes: Sequence[Outcome]) -> None:
    """Say in a row for each job what came of it, with its figures below."""
    for row, outcome in zip(matrix.rows(wanted, outcomes), outcomes, strict=True):
        click.echo(row)
        for line in _figures(outcome.paths):
            click.echo(f"  {line}")


def say(paths: Mapping[str, Path]) -> None:
    """Say what was made, with the figures of videos below."""
    for what, path in paths.items():
        click.echo(f"{what:<14}{path}")
    for line in _figures(paths):
        click.echo(line)


def _figures(paths: Mapping[str, Path]) -> list[str]:
    """Lines about videos, from their tables of figures."""
    from d2a_core.store import tables

    found = {what: path for what, path in paths.items() if what.startswith("figures")}
    if not found:
        return []
    from d2a_core.animation import assessment  # with PyTorch, for which no video should wait

    lines = []
    for what, path in found.items():
        figures = tables.read_parquet(path).to_pylist()[0]
        line = assessment.summary(figures)
        lines.append(f"{what.replace('figures', 'face')}: {line}" if " " in what else line)
        lines += [assessment.footage_summary(figures)] if "footage_flicker" in figures else []
    return lines

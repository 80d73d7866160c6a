"""The program: its commands, and how an error of ours is shown."""

from __future__ import annotations

import sys

import typer

from fraudkit import console
from fraudkit.cli import features, orders
from fraudkit.cli.explain import explain
from fraudkit.cli.options import ManyFilesCommand
from fraudkit.errors import FraudkitError
from fraudkit.openmp import restart_with_openmp

__all__ = ["app", "main"]

app = typer.Typer(
    help="Fraud scoring, payment-method choice and routing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(cls=ManyFilesCommand)(orders.train)
app.command(cls=ManyFilesCommand)(orders.score)
app.command(cls=ManyFilesCommand)(orders.evaluate)
app.command()(explain)
app.command()(orders.simulate)

_features = typer.Typer(help="Prove the features.", no_args_is_help=True)
_features.command(cls=ManyFilesCommand)(features.verify)
app.add_typer(_features, name="features")


def main() -> None:
    """Run the command line; an error of ours is shown as one message."""
    restart_with_openmp()
    try:
        app()
    except FraudkitError as error:
        console.err.print(f"[red]error[/red] [bold]{type(error).__name__}[/bold]", highlight=False)
        console.err.print(str(error), highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)

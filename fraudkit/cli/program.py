"""The program: its commands, and how an error of ours is shown."""

from __future__ import annotations

import sys

import typer

from fraudkit import console
from fraudkit.cli import features, journal, keys, models, orders, policy
from fraudkit.cli.compare import compare
from fraudkit.cli.erase import erase
from fraudkit.cli.explain import explain
from fraudkit.cli.options import ManyFilesCommand
from fraudkit.cli.replay import replay
from fraudkit.cli.train import train
from fraudkit.cli.tune import tune
from fraudkit.errors import FraudkitError
from fraudkit.openmp import restart_with_openmp

__all__ = ["app", "main"]

app = typer.Typer(
    help="Fraud scoring, payment-method choice and routing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(cls=ManyFilesCommand)(train)
app.command(cls=ManyFilesCommand)(orders.score)
app.command(cls=ManyFilesCommand)(orders.evaluate)
app.command(cls=ManyFilesCommand)(tune)
app.command(cls=ManyFilesCommand)(compare)
app.command()(explain)
app.command()(replay)
app.command()(orders.simulate)
app.command()(keys.audit)
app.command()(erase)

_features = typer.Typer(help="Prove the features.", no_args_is_help=True)
_features.command(cls=ManyFilesCommand)(features.verify)
app.add_typer(_features, name="features")

_journal = typer.Typer(help="Keep a shared journal's tables.", no_args_is_help=True)
_journal.command()(journal.migrate)
app.add_typer(_journal, name="journal")

_models = typer.Typer(
    help="Keep the bundles: which there are, which is in force, what was before.",
    no_args_is_help=True,
)
_models.command("list")(models.list_bundles)
for _command in (
    models.show,
    models.verify,
    models.add,
    models.promote,
    models.rollback,
    models.history,
    models.diff,
    models.sign,
    models.keygen,
):
    _models.command()(_command)
app.add_typer(_models, name="models")

_policy = typer.Typer(help="Check a policy, compare two, put one in force.", no_args_is_help=True)
_policy.command()(policy.check)
_policy.command()(policy.diff)
_policy.command(cls=ManyFilesCommand)(policy.promote)
app.add_typer(_policy, name="policy")

_keys = typer.Typer(help="Say who may call the service, and what.", no_args_is_help=True)
_keys.command()(keys.create)
_keys.command("list")(keys.list_keys)
_keys.command()(keys.revoke)
app.add_typer(_keys, name="keys")


def main() -> None:
    """Run the command line; an error of ours is shown as one message."""
    restart_with_openmp()
    try:
        app()
    except FraudkitError as error:
        console.err.print(f"[red]error[/red] [bold]{type(error).__name__}[/bold]", highlight=False)
        console.err.print(str(error), highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)

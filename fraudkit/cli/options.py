"""What several commands take from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

__all__ = [
    "MODELS",
    "AsJson",
    "BundleFolder",
    "BundleName",
    "CardRanges",
    "ChangedBy",
    "ChangedWhy",
    "DataFiles",
    "IpFiles",
    "ManyFilesCommand",
    "MappingFile",
    "ModelsFolder",
    "TrustedKeysPath",
]

_MANY = frozenset({"--data", "--history", "--ip-files", "--segments"})
"""The options that take several values."""


class ManyFilesCommand(TyperCommand):
    """A command whose file options take several values: ``--data A B`` is ``--data A --data B``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what was given, each value under its option."""
        return super().parse_args(ctx, _repeated(args))


def _repeated(args: list[str]) -> list[str]:
    """Name the option again before each further value of `_MANY`."""
    repeated: list[str] = []
    option, n_values = "", 0
    for argument in args:
        if argument.startswith("-"):
            option, value, _ = argument.partition("=")
            n_values = len(value)
        else:
            if option in _MANY and n_values:
                repeated.append(option)
            n_values += 1
        repeated.append(argument)
    return repeated


DataFiles = Annotated[
    list[Path],
    typer.Option("--data", metavar="FILE...", help="Orders: Parquet, CSV or NDJSON files."),
]
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", help="How the file's columns become the vocabulary.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
BundleFolder = Annotated[Path, typer.Option(help="A bundle's folder, or a file that names one.")]
TrustedKeysPath = Annotated[
    Path | None,
    typer.Option(
        "--trusted-keys",
        envvar="FRAUDKIT_TRUSTED_KEYS",
        help="A public key, or a folder of them: take only what one of them signed.",
    ),
]
IpFiles = Annotated[
    list[Path] | None,
    typer.Option("--ip-files", metavar="FILE...", help="MaxMind-format files about IP addresses."),
]
CardRanges = Annotated[
    Path | None, typer.Option("--card-ranges", help="A CSV file about card number ranges.")
]
MODELS = Path("models")
"""Where the registry is, unless an option says otherwise."""

ModelsFolder = Annotated[Path, typer.Option("--models", help="The folder of the registry.")]
BundleName = Annotated[
    str, typer.Argument(help="A name in the registry, `current`, or a path with a slash in it.")
]
ChangedBy = Annotated[
    str, typer.Option("--by", envvar="USER", help="Who wants it, for the history.")
]
ChangedWhy = Annotated[str, typer.Option("--why", help="The reason, for the history.")]

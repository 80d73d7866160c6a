"""The service's settings, from environment variables.

Invariant: settings that exist are fit to serve; what does not hold is refused by name.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from fraudkit.errors import InputError
from fraudkit.journal.record import Durability
from service.deadlines import DEADLINE_MS_MAX

__all__ = ["LogFormat", "Settings"]

LogFormat = Literal["auto", "json", "text"]

_PREFIX = "FRAUDKIT_"
_NOT_OURS = frozenset({"FRAUDKIT_DATA", "FRAUDKIT_SLOW"})
"""Read by tests and benchmarks: where public data is, and whether to take minutes."""
_API_KEY_CHARACTERS_MIN = 16


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service finds its files, where it listens and who may call it.

    Each field is read from the environment variable of its name in upper case after
    ``FRAUDKIT_``. The API key and the URLs of the store and the journal never appear in the text
    form.

    Examples
    --------
    >>> Settings.from_environment({"FRAUDKIT_PORT": "9000"}).port
    9000
    >>> Settings.from_environment({"FRAUDKIT_PROT": "9000"})
    Traceback (most recent call last):
    ...
    fraudkit.errors.InputError: FRAUDKIT_PROT is no setting; did you mean FRAUDKIT_PORT?
    """

    bundle: Annotated[
        str, Meta(min_length=1, description="The folder of the bundle that decides")
    ] = "models/current"
    data_dir: Annotated[
        str,
        Meta(
            min_length=1,
            description="The folder of `journal.sqlite3` and `hash.key`; made if it is missing",
        ),
    ] = "data"
    host: Annotated[
        str, Meta(min_length=1, description="The address to listen on; a loopback one needs no key")
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="The port to listen on; 0 lets the system choose")
    ] = 8000
    api_key: (
        Annotated[
            str,
            Meta(
                min_length=_API_KEY_CHARACTERS_MIN,
                pattern="^[!-~]*$",
                description=(
                    "One key with all scopes, which callers send as `Authorization: Bearer KEY`; "
                    f"at least {_API_KEY_CHARACTERS_MIN} visible ASCII characters"
                ),
            ),
        ]
        | None
    ) = None
    keys_file: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description=(
                    "The file of the API keys that `fraudkit keys` makes; without it "
                    "`keys.json` in the data folder, where there is one"
                ),
            ),
        ]
        | None
    ) = None
    store_url: (
        Annotated[
            str,
            Meta(
                pattern="^(redis|rediss|unix)://",
                description=(
                    "A Redis or Valkey that holds the windows for several services: "
                    "`redis://user:password@host:6379/0`; without one they are in memory"
                ),
            ),
        ]
        | None
    ) = None
    journal_url: (
        Annotated[
            str,
            Meta(
                pattern="^(postgresql|postgres)://",
                description=(
                    "A PostgreSQL that holds the journal of several services: "
                    "`postgresql://user:password@host:5432/database`; without one it is "
                    "`journal.sqlite3` in the data folder"
                ),
            ),
        ]
        | None
    ) = None
    durability: Annotated[
        Durability,
        Meta(
            description=(
                "What an answer survives: `process_kill`, the end of the service, however it "
                "ends; `power_loss`, a power cut as well, at the price of waiting for the disk"
            )
        ),
    ] = "process_kill"
    spool_dir: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description=(
                    "The folder of `journal.spool`, where orders wait while the journal cannot be "
                    "written; without it the data folder. A folder on another disk also helps "
                    "when that of the data folder fails"
                ),
            ),
        ]
        | None
    ) = None
    trusted_keys: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description=(
                    "A public key, or a folder of them (`*.pem`): then only a bundle that one of "
                    "them signed is served"
                ),
            ),
        ]
        | None
    ) = None
    waiting_max: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="How many requests may wait; the next gets 503 with `Retry-After` at once",
        ),
    ] = 256
    deadline_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=DEADLINE_MS_MAX,
            description=(
                "How many milliseconds after its head a request is to be answered, where its "
                "`x-deadline-ms` is not shorter; an order gets the policy's fallback where a "
                "score would come too late"
            ),
        ),
    ] = 300
    retention_days: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=36_500,
                description=(
                    "How many days orders and outcomes are kept; older ones are removed while it "
                    "serves. Without one they are kept for good"
                ),
            ),
        ]
        | None
    ) = None
    log_format: Annotated[
        LogFormat,
        Meta(description="`json`, `text`, or `auto`: text on a terminal, else JSON"),
    ] = "auto"
    traces_endpoint: (
        Annotated[
            str,
            Meta(
                pattern="^https?://",
                description=(
                    "Where traces go by OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`; "
                    "without one there are none"
                ),
            ),
        ]
        | None
    ) = None
    traces_share: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How many of the requests that bring no `traceparent` are traced",
        ),
    ] = 0.01
    ip_files: Annotated[
        str, Meta(description="MaxMind-format files about IP addresses, separated by commas")
    ] = ""
    card_ranges: Annotated[
        str, Meta(description="A CSV file about card number ranges, see docs/enrichment.md")
    ] = ""

    def __repr__(self) -> str:
        key = "None" if self.api_key is None else "'…'"
        return (
            f"Settings(bundle={self.bundle!r}, data_dir={self.data_dir!r}, host={self.host!r}, "
            f"port={self.port}, api_key={key}, has_store_url={self.store_url is not None}, "
            f"has_journal_url={self.journal_url is not None}, durability={self.durability!r})"
        )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings that environment variables say.

        Raises
        ------
        fraudkit.errors.InputError
            If a value does not hold, if a variable in ``FRAUDKIT_*`` is unknown, or if
            ``WEB_CONCURRENCY`` asks for more than one process.
        """
        _refuse_several_processes(environ)
        known = {f"{_PREFIX}{name.upper()}": name for name in cls.__struct_fields__}
        given = {
            name: value
            for name, value in environ.items()
            if name.startswith(_PREFIX) and name not in _NOT_OURS
        }
        for name in given.keys() - known.keys():
            raise InputError(f"{name} is no setting; {_suggestion(name, list(known))}")
        values = {known[name]: value for name, value in given.items()}
        try:
            return msgspec.convert(values, cls, strict=False)
        except msgspec.ValidationError as error:
            raise InputError(_explained(str(error))) from None


def _refuse_several_processes(environ: Mapping[str, str]) -> None:
    asked = environ.get("WEB_CONCURRENCY", "1")
    if asked not in ("", "0", "1"):
        raise InputError(
            f"WEB_CONCURRENCY must be 1. Got {asked!r}: the windows and the journal belong to one "
            "process, so a second one would decide without half of the history; unset it"
        )


def _suggestion(name: str, known: list[str]) -> str:
    fields = [variable.removeprefix(_PREFIX) for variable in known]
    close = difflib.get_close_matches(name.removeprefix(_PREFIX), fields, n=1, cutoff=0.6)
    return f"did you mean {_PREFIX}{close[0]}?" if close else f"known: {', '.join(known)}"


def _explained(message: str) -> str:
    """Say what does not hold, and never the value: it may be the key."""
    expectation, _, path = message.partition(" - at `$.")
    expectation = expectation.split(", got ")[0].removeprefix("Expected ").replace("`", "")
    return f"{_PREFIX}{path.rstrip('`').upper()} must be {expectation}"

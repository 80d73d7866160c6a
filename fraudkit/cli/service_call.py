"""What the command line asks of a running service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
import typer

from fraudkit import console
from fraudkit.cli.tables import add_row, plain_table, words
from fraudkit.console import print_json
from fraudkit.errors import InputError, StoreError

__all__ = ["ServiceUrl", "ask", "show_changed", "show_in_force"]

ServiceUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="Ask the service there, with the key of FRAUDKIT_API_KEY; nothing is changed here.",
    ),
]

_SECONDS_MAX: Final = 600
"""Windows that are filled from a long journal take minutes."""


def ask(url: str, path: str, said: Mapping[str, Any] | None = None) -> Any:
    """Return what a service answers, as plain values; redirections are not followed.

    Parameters
    ----------
    url : str
        Where it is: ``http://127.0.0.1:8000``.
    path : str
        The route.
    said : mapping, optional
        The body of a POST; without one it is a GET.

    Raises
    ------
    fraudkit.errors.InputError
        If the service refuses, saying why.
    fraudkit.errors.StoreError
        If it does not answer, or cannot serve.
    """
    status, content = _answer(url, path, said)
    if status == 200:
        return msgspec.json.decode(content)
    try:
        message = msgspec.json.decode(content)["error"]["message"]
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError):
        message = "what answered is no service of fraudkit; see --url"
    kind = StoreError if status >= 500 else InputError
    raise kind(f"{url}{path} answered {status}: {message}")


def show_in_force(in_force: Any, *, as_json: bool) -> None:
    """Print what a service says that decides."""
    if as_json:
        print_json(in_force)
        return
    change = in_force["change"] or {}
    facts = {
        "bundle": in_force["bundle"],
        **{f"version of the {name}": version for name, version in in_force["versions"].items()},
        "signed by": in_force["signed_by"],
        "before": in_force["previous"],
        "put in force by": change.get("by"),
        "why": change.get("why"),
        "problem": in_force["problem"],
    }
    table = plain_table("what", "value")
    for name, value in facts.items():
        add_row(table, name, words(value))
    console.out.print(table)


def show_changed(changed: Any, *, as_json: bool) -> None:
    """Print what a service says that it changed."""
    if as_json:
        print_json(changed)
        return
    if changed["change"] is None:
        console.out.print("it is in force already")
    show_in_force(changed["in_force"], as_json=False)


def _answer(url: str, path: str, said: Mapping[str, Any] | None) -> tuple[int, bytes]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in {"http", "https"} or host is None:
        raise InputError(f"--url must be like http://127.0.0.1:8000, got {url!r}")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(host, port, timeout=_SECONDS_MAX)
    headers = {"content-type": "application/json"}
    key = os.environ.get("FRAUDKIT_API_KEY")
    if key:
        headers["authorization"] = f"Bearer {key}"
    body = None if said is None else msgspec.json.encode(said)
    try:
        connection.request(
            "GET" if said is None else "POST", parts.path.rstrip("/") + path, body, headers
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException, ValueError) as error:
        raise StoreError(
            f"{url} must be a running service, and it does not answer: {error}; start it, or "
            "leave --url out to change the files here"
        ) from error
    finally:
        connection.close()

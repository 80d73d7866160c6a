"""Known vulnerabilities of what the lock files pin, as the OSV database tells them.

``make audit`` runs it, and ``make check`` with it. One request names every pinned version, see
https://google.github.io/osv.dev/post-v1-querybatch. Without a network nothing can be said, and
that is what it says: there is no list of vulnerabilities that is of use when it is old.

Exit status 1: an advisory that is not accepted applies. 0: none does, or it could not look.
"""

import json
import re
import sys
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["ACCEPTED", "Pin", "Unreachable", "advisories_of", "main", "pins_of"]

ROOT: Final = Path(__file__).parents[2]
SERVICE: Final = "https://api.osv.dev/v1/querybatch"
SECONDS_MAX: Final = 10
PINS_MAX: Final = 1000
PAGES_MAX: Final = 20

ACCEPTED: Final[dict[str, str]] = {}
"""Advisory → why it does not concern us. Take it out when a fixed version is locked."""

_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


class Pin(NamedTuple):
    """A package at the version that a lock file names."""

    name: str
    version: str


class Unreachable(Exception):
    """The database could not be asked, or its answer could not be read."""


def pins_of(locks: Iterable[Path]) -> list[Pin]:
    """Return what the lock files pin, each version once, in order of the names."""
    found = {Pin(*pin) for lock in locks for pin in _PIN.findall(lock.read_text("utf-8"))}
    return sorted(found)


def advisories_of(pins: list[Pin], service: str) -> dict[Pin, list[str]]:
    """Return the ids of the advisories for each pin that has any; all pages of them."""
    found: dict[Pin, list[str]] = {}
    asked: list[tuple[Pin, str]] = [(pin, "") for pin in pins]
    for _ in range(PAGES_MAX):
        rest: list[tuple[Pin, str]] = []
        for start in range(0, len(asked), PINS_MAX):
            part = asked[start : start + PINS_MAX]
            for (pin, _), result in zip(part, _results(part, service), strict=True):
                ids = [held["id"] for held in result.get("vulns", ())]
                if ids:
                    found.setdefault(pin, []).extend(ids)
                if result.get("next_page_token"):
                    rest.append((pin, result["next_page_token"]))
        if not rest:
            return found
        asked = rest
    raise Unreachable(f"more than {PAGES_MAX} pages of advisories")


def _results(asked: list[tuple[Pin, str]], service: str) -> list[dict[str, Any]]:
    queries = []
    for pin, token in asked:
        query: dict[str, Any] = {
            "package": {"name": pin.name, "ecosystem": "PyPI"},
            "version": pin.version,
        }
        queries.append({**query, "page_token": token} if token else query)
    request = urllib.request.Request(  # noqa: S310 - the address is ours
        service,
        data=json.dumps({"queries": queries}).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:  # noqa: S310 - as above
            results = json.load(answer)["results"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error
    if not isinstance(results, list) or len(results) != len(asked):
        raise Unreachable("an answer to other questions")
    return results


def main(service: str = SERVICE, locks: Iterable[Path] | None = None) -> int:
    """Say what applies; return the exit status."""
    pins = pins_of(sorted((ROOT / "requirements").glob("*.txt")) if locks is None else locks)
    try:
        found = advisories_of(pins, service)
    except Unreachable as error:
        sys.stdout.write(
            f"dependency audit: NOT DONE, the database of advisories cannot be reached ({error})\n"
        )
        return 0
    open_ones = [
        f"{pin.name} {pin.version}: {advisory}"
        for pin, advisories in found.items()
        for advisory in advisories
        if advisory not in ACCEPTED
    ]
    for line in open_ones:
        sys.stdout.write(f"{line}, see https://osv.dev/vulnerability/{line.rpartition(' ')[2]}\n")
    sys.stdout.write(
        f"dependency audit: {len(pins)} pinned versions, {len(open_ones)} open advisories\n"
    )
    return 1 if open_ones else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))

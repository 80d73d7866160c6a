"""The service against its own OpenAPI document: what the schema says is what is taken and answered.

Schemathesis makes the requests from the document: the examples, the bounds of every field, and
drawn ones, such that hold and such that do not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fraudkit.engine import Engine
from fraudkit.journal.sqlite import SqliteJournal
from service.app import create_app
from service.openapi import openapi_document
from service.refusals import CODES, ErrorBody
from service.settings import Settings
from tests.service.conftest import BUNDLE

KEY: Final = "correct-horse-battery"
AUTHORIZATION: Final = {"authorization": f"Bearer {KEY}"}


def document() -> Any:
    generation = GenerationConfig(deterministic=True)
    statuses = "400 401 403 404 405 406 409 413 415 422 428 429 5xx".split()
    checks = ChecksConfig.from_dict({"negative_data_rejection": {"expected-statuses": statuses}})
    project = ProjectsConfig(default=ProjectConfig(generation=generation, checks=checks))
    return schemathesis.openapi.from_dict(
        openapi_document("1", needs_key=True), config=SchemathesisConfig(seed=1, projects=project)
    )


class Held:
    """The application, which is made after the requests' document is loaded."""

    app: Any = None

    async def __call__(self, *asked: Any) -> None:
        await self.app(*asked)


HELD: Final = Held()
IN_PROCESS: Final = document()
IN_PROCESS.app = HELD
SERVED: Final = document()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("schemathesis")
    with SqliteJournal(folder / "journal") as journal:
        engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
        settings = Settings(api_key=KEY, bundle=models_in(folder), data_dir=str(folder))
        HELD.app = create_app(settings, engine=engine, journal=journal)
        yield HELD.app


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, start_service: Callable[..., Any]) -> Any:
    folder = tmp_path_factory.mktemp("served")
    bundle = models_in(folder)
    with start_service(folder / "data", FRAUDKIT_API_KEY=KEY, FRAUDKIT_BUNDLE=bundle) as service:
        yield service


def models_in(folder: Path) -> str:
    """Return the name of what decides in a copy of the models: requests may change it."""
    shutil.copytree(BUNDLE.parent, folder / "models", ignore=shutil.ignore_patterns("*.ndjson"))
    return str(folder / "models" / "current")


BEYOND_THE_SCHEMA: Final = (
    ("a time not in the future", ""),
    ("a time not before /occurred_at", ""),
    ("an id that no other outcome has", ""),
    ("an RFC 3339 time with an offset", ""),
    ("no full card number", ""),
    ("an integer", ".0"),
    ("a request that can be served", ""),
)
"""What is refused though the schema takes it: what must hold, and how what came ends.

Each stands in the description of its operation: two times, the clock, what was recorded and the
entities of a bundle are not in the schema's reach, and to it 691.0 is an integer.
"""


def explained_refusal(_context: Any, response: Any, case: Any) -> None:
    """Hold a request that the schema takes to be taken, and a refusal to say what to put right."""
    if response.status_code < 400:
        return
    error = msgspec.json.decode(response.content, type=ErrorBody).error
    assert CODES[error.code][0] == response.status_code
    assert error.expected
    assert error.received
    assert error.hint
    if case.meta.generation.mode.is_positive and response.status_code in (400, 422):
        assert any(
            error.expected == expected and error.received.rstrip("'").endswith(ending)
            for expected, ending in BEYOND_THE_SCHEMA
        ), error


CHECKS: Final[dict[str, Any]] = {
    "headers": AUTHORIZATION,
    "additional_checks": [explained_refusal],
    "excluded_checks": [positive_data_acceptance],  # by ours, which knows what no schema can say
}


def quiet(max_examples: int) -> Any:
    return settings(
        max_examples=max_examples if os.environ.get("FRAUDKIT_SLOW") != "1" else 10 * max_examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@IN_PROCESS.parametrize()
@quiet(40)
def test_the_application_keeps_to_its_document(case: Any, app: Any) -> None:
    assert app is not None
    case.validate_response(case.call(headers=AUTHORIZATION), **CHECKS)


@SERVED.parametrize()
@quiet(5)
def test_the_service_keeps_to_its_document(case: Any, served: Any) -> None:
    response = case.call(base_url=served.url, headers=AUTHORIZATION)
    case.validate_response(response, transport_kwargs={"base_url": served.url}, **CHECKS)

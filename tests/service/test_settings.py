"""Settings: what is not fit to serve is refused by name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import InputError
from service.settings import Settings

KEY = "0123456789abcdef"
PAGE = Path(__file__).parents[2] / "docs" / "service.md"


def test_without_variables_it_serves_the_current_bundle_to_this_machine() -> None:
    settings = Settings.from_environment({"HOME": "/root", "PATH": "/bin"})
    assert settings == Settings()
    assert (settings.bundle, settings.data_dir) == ("models/current", "data")
    assert (settings.host, settings.port, settings.api_key) == ("127.0.0.1", 8000, None)


def test_every_field_has_its_variable() -> None:
    settings = Settings.from_environment(
        {
            "FRAUDKIT_BUNDLE": "b",
            "FRAUDKIT_DATA_DIR": "d",
            "FRAUDKIT_HOST": "0.0.0.0",  # noqa: S104 - what is tested
            "FRAUDKIT_PORT": "0",
            "FRAUDKIT_API_KEY": KEY,
            "FRAUDKIT_KEYS_FILE": "keys.json",
            "FRAUDKIT_STORE_URL": "redis://:secret@cache:6379/0",
            "FRAUDKIT_JOURNAL_URL": "postgresql://u:secret@db/orders",
            "FRAUDKIT_DURABILITY": "power_loss",
            "FRAUDKIT_SPOOL_DIR": "spool",
            "FRAUDKIT_TRUSTED_KEYS": "keys",
            "FRAUDKIT_WAITING_MAX": "9",
            "FRAUDKIT_DEADLINE_MS": "250",
            "FRAUDKIT_RETENTION_DAYS": "400",
            "FRAUDKIT_LOG_FORMAT": "json",
            "FRAUDKIT_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces",
            "FRAUDKIT_TRACES_SHARE": "0.5",
            "FRAUDKIT_IP_FILES": "country.mmdb,asn.mmdb",
            "FRAUDKIT_CARD_RANGES": "ranges.csv",
        }
    )
    assert msgspec.structs.astuple(settings) == (
        *("b", "d", "0.0.0.0", 0, KEY, "keys.json"),  # noqa: S104 - as above
        *("redis://:secret@cache:6379/0", "postgresql://u:secret@db/orders", "power_loss"),
        *("spool", "keys", 9, 250, 400, "json", "http://127.0.0.1:4318/v1/traces", 0.5),
        *("country.mmdb,asn.mmdb", "ranges.csv"),
    )
    assert "secret" not in repr(settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    assert Settings(host=host).is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example", ""])  # noqa: S104
def test_other_hosts_are_beyond_loopback(host: str) -> None:
    assert not Settings(host=host).is_loopback


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FRAUDKIT_PROT", "1", "FRAUDKIT_PROT is no setting; did you mean FRAUDKIT_PORT?"),
        ("FRAUDKIT_APIKEY", KEY, "FRAUDKIT_APIKEY is no setting; did you mean FRAUDKIT_API_KEY?"),
        ("FRAUDKIT_X", "1", "FRAUDKIT_X is no setting; known: FRAUDKIT_BUNDLE, "),
        ("FRAUDKIT_PORT", "http", "FRAUDKIT_PORT must be int"),
        ("FRAUDKIT_PORT", "65536", "FRAUDKIT_PORT must be int <= 65535"),
        ("FRAUDKIT_PORT", "-1", "FRAUDKIT_PORT must be int >= 0"),
        ("FRAUDKIT_BUNDLE", "", "FRAUDKIT_BUNDLE must be str of length >= 1"),
        ("FRAUDKIT_HOST", "", "FRAUDKIT_HOST must be str of length >= 1"),
        ("FRAUDKIT_API_KEY", "", "FRAUDKIT_API_KEY must be str of length >= 16"),
        ("FRAUDKIT_API_KEY", "a key with spaces in it", "FRAUDKIT_API_KEY must be str matching"),
        ("FRAUDKIT_JOURNAL_URL", "mysql://u:secret@db/d", "FRAUDKIT_JOURNAL_URL must be str match"),
        ("FRAUDKIT_DURABILITY", "always", "FRAUDKIT_DURABILITY must be "),
        ("FRAUDKIT_LOG_FORMAT", "xml", "FRAUDKIT_LOG_FORMAT must be"),
        ("FRAUDKIT_TRACES_ENDPOINT", "collector:4318", "FRAUDKIT_TRACES_ENDPOINT must be str"),
        ("FRAUDKIT_TRACES_SHARE", "1.5", "FRAUDKIT_TRACES_SHARE must be float <= 1.0"),
        ("WEB_CONCURRENCY", "4", "WEB_CONCURRENCY must be 1. Got '4'"),
    ],
)
def test_what_does_not_hold_is_named(variable: str, value: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Settings.from_environment({variable: value})
    assert str(caught.value).startswith(said)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=40))
def test_the_key_is_never_shown(key: str) -> None:
    settings = Settings(api_key=key)
    assert key not in repr(settings)
    assert key not in str(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("FRAUDKIT_API_KEY", "secret"), ("FRAUDKIT_JOURNAL_URL", "mysql://u:secret@db/d")],
)
def test_a_refused_secret_is_never_shown(variable: str, value: str) -> None:
    with pytest.raises(InputError) as caught:
        Settings.from_environment({variable: value})
    assert "secret" not in str(caught.value)


def settings_table() -> str:
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    properties = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    for name, schema in properties.items():
        default = "none" if schema["default"] is None else f"`{schema['default']}`"
        told = next(held for held in (schema, *schema.get("anyOf", ())) if "description" in held)
        rows.append(f"| `FRAUDKIT_{name.upper()}` | {default} | {told['description']} |")
    return "\n".join(rows)


def test_the_page_holds_the_table_of_settings() -> None:
    assert settings_table() in PAGE.read_text()

"""Derived fields: each value, the order they are made in, one function for both drivers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.transaction import Card, Device, Email, Order, Payment, Transaction, epoch_ms
from fraudkit.features.derived import (
    DERIVED_PATHS,
    DerivedField,
    derived_field,
    derived_fields,
    local_offset_minutes,
    mail_domain,
)
from fraudkit.features.enrichment import NO_SOURCES, Enrichment, IpFacts
from fraudkit.features.fields import field_reader, fields_reader
from fraudkit.features.spec import Value
from fraudkit.mapping.vocabulary import field_at
from tests.enrichment.files import full_enrichment

MADE_AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
ORDER = Transaction(
    transaction_id="t1",
    event_time=MADE_AT,
    order=Order(amount_minor=1295, currency="EUR"),
    email=Email(address="Ann@Mailinator.COM"),
    device=Device(ip_address="81.2.69.160", time_zone="Europe/Berlin"),
    payment=Payment(card=Card(issuer_id_number="411111")),
)
BARE = Transaction(
    transaction_id="t2", event_time=MADE_AT, order=Order(amount_minor=1, currency="EUR")
)
EXPECTED: dict[str, Value] = {
    "device.ip_network": "81.2.69.0/24",
    "email.domain_name": "mailinator.com",
    "local_offset_minutes": 120,
    "email.domain_kind": "disposable",
    "ip.country": "GB",
    "ip.network_operator": "AS20712",
    "ip.is_anonymous": None,
    "card_range.country": "PL",
    "card_range.brand": "visa",
    "card_range.funding": "credit",
    "card_range.issuer": "Example Bank",
}
NEED_NO_SOURCE = ("device.ip_network", "email.domain_name", "local_offset_minutes")
SPRING = epoch_ms(datetime(2026, 3, 29, 1, tzinfo=UTC))
ZONES = ("Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "UTC", "EST5EDT")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Enrichment:
    return full_enrichment(tmp_path_factory.mktemp("sources"))


def by_columns(
    paths: list[str], enrichment: Enrichment, transaction: Transaction
) -> Mapping[str, Value]:
    """Return the paths' values as a driver of columns makes them, one derived field at a time."""
    held: dict[str, Value] = {}
    for field in derived_fields(paths, enrichment):
        for path in field.inputs:
            if path not in held:
                held[path] = field_reader(path)(transaction)
        held[field.path] = field.compute(*(held[path] for path in field.inputs))
    return held


def test_every_derived_path_is_tested_and_is_no_field() -> None:
    assert set(DERIVED_PATHS) == set(EXPECTED)
    assert [path for path in DERIVED_PATHS if field_at(path) is not None] == []


@pytest.mark.parametrize("path", DERIVED_PATHS)
def test_a_derived_field(path: str, full: Enrichment) -> None:
    assert field_reader(path, full)(ORDER) == EXPECTED[path]
    field = derived_field(path, full)
    assert field is not None
    assert EXPECTED[path] is None or type(EXPECTED[path]) is field.kind


@pytest.mark.parametrize("path", DERIVED_PATHS)
def test_what_did_not_come_is_unknown(path: str, full: Enrichment) -> None:
    expected = 0 if path == "local_offset_minutes" else None
    assert field_reader(path, full)(BARE) == expected
    assert field_reader(path)(BARE) == expected


@pytest.mark.parametrize("path", DERIVED_PATHS)
def test_without_its_source_a_path_is_unknown_and_reads_nothing(path: str) -> None:
    field = derived_field(path, NO_SOURCES)
    assert field is not None
    assert (field.inputs == ()) == (path not in NEED_NO_SOURCE)
    expected = EXPECTED[path] if path in NEED_NO_SOURCE else None
    assert field_reader(path)(ORDER) == expected


def test_a_field_is_no_derived_one() -> None:
    for path in ("device.ip_address", "event_time_ms", "email.domain_sort", "ip"):
        assert derived_field(path, NO_SOURCES) is None


@given(paths=st.lists(st.sampled_from(DERIVED_PATHS), unique=True))
def test_each_stands_once_and_after_what_it_reads(paths: list[str], full: Enrichment) -> None:
    ordered = derived_fields([*paths, "channel"], full)
    places = {field.path: place for place, field in enumerate(ordered)}
    assert len(places) == len(ordered)
    assert set(paths) <= set(places)
    for field in ordered:
        assert all(places.get(path, -1) < places[field.path] for path in field.inputs)


@given(
    paths=st.lists(
        st.sampled_from([*DERIVED_PATHS, "device.ip_address", "email.address"]), unique=True
    ),
    address=st.sampled_from([None, "ann@gmail.com", "5f3a09", "Ann@m\u00fcller.example"]),
    ip_address=st.sampled_from([None, "81.2.69.1", "2a02:cf00::1", "10.0.0.1", "garbage"]),
    time_zone=st.sampled_from([None, "Asia/Tokyo", "Nowhere"]),
    number=st.sampled_from([None, "411111", "41111122", "599999"]),
)
def test_read_together_one_by_one_and_by_columns_are_equal(
    paths: list[str],
    address: str | None,
    ip_address: str | None,
    time_zone: str | None,
    number: str | None,
    full: Enrichment,
) -> None:
    transaction = Transaction(
        transaction_id="t3",
        event_time=MADE_AT,
        order=Order(amount_minor=1, currency="EUR"),
        email=Email(address=address, domain="mailinator.com"),
        device=Device(ip_address=ip_address, time_zone=time_zone),
        payment=Payment(card=Card(issuer_id_number=number)),
    )
    for enrichment in (full, NO_SOURCES):
        together = fields_reader(paths, enrichment)(transaction, None)
        assert together == tuple(field_reader(path, enrichment)(transaction) for path in paths)
        columns = by_columns(paths, enrichment, transaction)
        assert {path: columns[path] for path in paths if path in DERIVED_PATHS} == {
            path: value
            for path, value in zip(paths, together, strict=True)
            if path in DERIVED_PATHS
        }


class CountingSource:
    """Knows one thing about any address, and how often it was asked."""

    name = "counting"
    version = "1"

    def __init__(self) -> None:
        self.asked = 0

    def facts(self, ip_address: str) -> IpFacts:
        self.asked += 1
        return IpFacts(country="GB", network_operator=f"of {ip_address}", is_anonymous=False)


def test_a_source_is_asked_once_an_order() -> None:
    source = CountingSource()
    read = fields_reader(
        ["ip.country", "device.ip_address", "ip.is_anonymous", "ip.network_operator"],
        Enrichment(ip=source),
    )
    assert read(ORDER, None) == ("GB", "81.2.69.160", False, "of 81.2.69.160")
    assert source.asked == 1
    assert read(BARE, None) == (None, None, None, None)
    assert source.asked == 1


def test_the_parts_of_one_answer_differ_by_part_alone(full: Enrichment) -> None:
    fields = [derived_field(f"ip.{part}", full) for part in ("country", "is_anonymous")]
    first, second = (field for field in fields if isinstance(field, DerivedField))
    assert (first.function, first.inputs) == (second.function, second.inputs)
    assert (first.part, second.part) == ("country", "is_anonymous")


@pytest.mark.parametrize(
    ("address", "domain", "expected"),
    [
        ("ann@example.com", None, "example.com"),
        ("Ann@EXAMPLE.Com ", None, "example.com"),
        ("ann@example.com.", None, "example.com"),
        ('"a@b"@example.com', "other.example", "example.com"),
        ("ann@m\u00fcller.example", None, "xn--mller-kva.example"),
        ("ann@M\u00dcLLER.example", None, "xn--mller-kva.example"),
        ("ann@stra\u00dfe.example", None, "xn--strae-oqa.example"),
        ("ann@xn--mller-kva.example", None, "xn--mller-kva.example"),
        ("ann@\u4f8b\u3048\u3002example", None, "xn--r8jz45g.example"),
        ("5f3a09", "Example.com", "example.com"),
        ("5f3a09", "@example.com", "example.com"),
        ("5f3a09", None, None),
        (None, "example.com", "example.com"),
        (None, None, None),
        ("ann@", None, None),
        ("ann@", "example.com", "example.com"),
        ("ann@[192.0.2.7]", None, None),
        ("ann@two words.example", None, None),
        ("ann@a..example", None, None),
        ("ann@\u2764.example", None, None),
        ("ann@" + "a" * 64 + ".example", None, None),
        ("ann@" + "a." * 127 + "example", None, None),
        ("ann@" + "\u00fc" * 200, None, None),
    ],
)  # fmt: skip
def test_the_mail_domain(address: str | None, domain: str | None, expected: str | None) -> None:
    assert mail_domain(address, domain) == expected


@given(address=st.none() | st.text(max_size=40), domain=st.none() | st.text(max_size=40))
def test_a_mail_domain_is_a_fixed_point(address: str | None, domain: str | None) -> None:
    found = mail_domain(address, domain)
    assert found is None or (found.isascii() and mail_domain(None, found) == found)


@given(
    moment=st.datetimes(datetime(1980, 1, 1), datetime(2037, 12, 31)),  # noqa: DTZ001 - made UTC
    name=st.sampled_from(ZONES),
)
def test_the_offset_is_the_zones_own(moment: datetime, name: str) -> None:
    at = moment.replace(tzinfo=UTC)
    offset = at.astimezone(ZoneInfo(name)).utcoffset()
    assert offset is not None
    assert local_offset_minutes(epoch_ms(at), None, name) == offset // timedelta(minutes=1)


def test_summer_time_begins_at_its_millisecond() -> None:
    assert local_offset_minutes(SPRING - 1, None, "Europe/Berlin") == 60
    assert local_offset_minutes(SPRING, None, "Europe/Berlin") == 120


def test_part_of_a_minute_is_rounded_down() -> None:
    assert local_offset_minutes(0, None, "Africa/Monrovia") == -45  # -00:44:30 until 1972


@pytest.mark.parametrize(
    "name",
    [
        None, "", "Nowhere", "Europe", "europe/berlin", "right/Europe/Berlin", "posixrules",
        "localtime", "tzdata.zi", "../Europe/Berlin", "/etc/localtime", "Europe//Berlin",
        "Europe/Berlin\0", "Europe/Berlin\n", "+01:00", "Z\u00fcrich",
    ],
)  # fmt: skip
def test_a_zone_that_is_not_known_leaves_the_event_times_own_offset(name: str | None) -> None:
    assert local_offset_minutes(SPRING, -210, name) == -210
    assert local_offset_minutes(SPRING, None, name) is None


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])  # noqa: DTZ901 - made UTC
def test_at_the_ends_of_the_calendar_the_event_times_own_offset_stands(moment: datetime) -> None:
    time_ms = epoch_ms(moment.replace(tzinfo=UTC))
    zones = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
    offsets = {local_offset_minutes(time_ms, 7, zone) for zone in zones}
    assert 7 in offsets

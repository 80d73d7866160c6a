"""Which bundle and policy decide, and their change while orders are decided.

Invariant: what fails changes nothing, neither what decides nor what the registry names; no change
takes place without its row in the audit log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Annotated, Final

from msgspec import Meta, Struct

from fraudkit.access import AuditRow, append_audit
from fraudkit.access.key_file import Stamp, stamp_of
from fraudkit.domain.decision import Versions
from fraudkit.engine import Engine
from fraudkit.errors import BundleError, FraudkitError, StoreError
from fraudkit.registry import Change, Registry
from fraudkit.registry.models_folder import CURRENT
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.signature import TrustedKeys

__all__ = [
    "BundleChanges",
    "InForce",
    "PromoteBundle",
    "PromotePolicy",
    "RollBack",
]

_log = logging.getLogger("service")
_Why = Annotated[str, Meta(max_length=1000)]
_BY_DISK: Final = "models folder"


class PromoteBundle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put a bundle of the registry in force.

    Attributes
    ----------
    bundle : str
        Its name in the registry: a folder of the models folder, never a path.
    why : str
        The reason, for the history.
    """

    bundle: Annotated[str, Meta(min_length=1, max_length=100)]
    why: _Why = ""


class RollBack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put back in force what was before the newest promotion.

    Attributes
    ----------
    why : str
        The reason, for the history.
    """

    why: _Why = ""


class PromotePolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put another policy in force, with the bundle that is.

    Attributes
    ----------
    policy : str
        The whole ``policy.toml``.
    why : str
        The reason, for the history.
    override : str
        The reason to go on where guardrails are not kept; the history holds it.
    """

    policy: Annotated[str, Meta(max_length=50_000)]
    why: _Why = ""
    override: _Why = ""


class InForce(Struct, frozen=True, kw_only=True):
    """What decides now.

    Attributes
    ----------
    versions : Versions
        What stands in the decisions.
    policy : str
        The ``policy.toml``.
    signed_by : str or None
        The trusted key that signed the bundle, where the service has trusted keys.
    bundle : str or None
        Its name in the registry; ``None`` where the service has none.
    previous : str or None
        What a rollback would put back in force.
    change : Change or None
        What put it in force, as the history holds it: when, by whom and why.
    problem : str or None
        Why what the registry names does not decide.
    """

    versions: Versions
    policy: str
    signed_by: str | None
    bundle: str | None
    previous: str | None
    change: Change | None
    problem: str | None


class BundleChanges:
    """Changes what an engine decides by.

    Parameters
    ----------
    engine : Engine
    bundle : Path
        What the service was started with: ``models/current``, or one bundle's folder.
    audit : Path
        The audit log.
    trusted_keys : TrustedKeys, optional
        Then only what one of them signed is taken.
    now_ms : callable
        The clock: UTC epoch milliseconds.

    Attributes
    ----------
    problem : str or None
        Why what the registry names does not decide.
    is_asked : bool
        Whether a caller's change is under way; kept by who asks for it.
    """

    def __init__(
        self,
        engine: Engine,
        bundle: Path,
        *,
        audit: Path,
        now_ms: Callable[[], int],
        trusted_keys: TrustedKeys | None = None,
    ) -> None:
        self.problem: str | None = None
        self.is_asked = False
        self._engine = engine
        self._audit = audit
        self._now_ms = now_ms
        is_registry = bundle.name == CURRENT and not bundle.is_dir()
        self._registry = Registry(bundle.parent, trusted_keys=trusted_keys) if is_registry else None
        self._stamp: Stamp | None = None
        self._changing = Lock()

    @property
    def is_fixed(self) -> bool:
        """Whether the service was started with one bundle alone, so that nothing can change."""
        return self._registry is None

    def shown(self) -> InForce:
        """Return what decides.

        Raises
        ------
        fraudkit.errors.BundleError
            If the history cannot be read.
        """
        bundle, registry = self._engine.bundle, self._registry
        name = previous = change = None
        if registry is not None:
            before = registry.before()
            name, previous = registry.current(), None if before is None else before.name
            newest = registry.history()[-1:]
            change = next((held for held in newest if held.to_version == bundle.version), None)
        return InForce(
            versions=self._engine.versions,
            policy=bundle.policy_text,
            signed_by=bundle.signed_by,
            bundle=name,
            previous=previous,
            change=change,
            problem=self.problem,
        )

    def promote(self, asked: PromoteBundle, by: str) -> Change | None:
        """Put a bundle of the registry in force; ``None`` where it is already.

        Raises
        ------
        fraudkit.errors.FraudkitError
            Naming what does not hold; then nothing is changed.
        """
        with self._changing:
            registry = self._held()
            name = registry.place(asked.bundle).name
            bundle = registry.load(name)
            if registry.current() == name and self._is_in_force(bundle.version):
                return None
            return self._carry_out(
                "bundle.promote",
                by,
                bundle,
                lambda: registry.promote(name, now_ms=self._now_ms(), by=by, why=asked.why),
            )

    def roll_back(self, asked: RollBack, by: str) -> Change | None:
        """Put back in force what was before.

        Raises
        ------
        fraudkit.errors.FraudkitError
            If nothing was, or it is no longer the same; then nothing is changed.
        """
        with self._changing:
            registry = self._held()
            before = registry.before()
            if before is None:
                raise BundleError(f"{registry.folder} must have had another bundle in force before")
            return self._carry_out(
                "bundle.rollback",
                by,
                registry.load(before.name),
                lambda: registry.rollback(
                    now_ms=self._now_ms(), by=by, why=asked.why, only_to=before.name
                ),
            )

    def promote_policy(self, asked: PromotePolicy, by: str) -> Change | None:
        """Put a policy in force; ``None`` where it is already.

        Raises
        ------
        fraudkit.errors.GuardrailError
            If guardrails are not kept and there is no override; then nothing is changed.
        fraudkit.errors.FraudkitError
            Naming what else does not hold; then nothing is changed.
        """
        from fraudkit.registry.policy_change import promote_policy

        with self._changing:
            registry = self._held()
            found = promote_policy(
                registry,
                asked.policy,
                origin="/policy",
                orders=None,
                now_ms=self._now_ms(),
                by=by,
                why=asked.why,
                override=asked.override,
                carry_out=lambda version, change: self._carry_out(
                    "policy.promote", by, registry.load(version), change
                ),
            )
            return found.change

    def refresh(self) -> None:
        """Take what the registry names, if that changed on the disk; never raises."""
        registry = self._registry
        if registry is None:
            return
        with self._changing:
            stamp = stamp_of(registry.folder / CURRENT)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._take(registry)
            except StoreError as error:
                self._stamp = None  # it may go away by itself: look again
                self._warn(str(error))
            except FraudkitError as error:
                self._warn(str(error))
            except Exception as error:  # noqa: BLE001 - a fault here must not end the watching
                self._warn(f"{registry.folder / CURRENT} cannot be taken: {type(error).__name__}")
            else:
                self.problem = None

    def _take(self, registry: Registry) -> None:
        if self._is_in_force(registry.files(CURRENT).version):
            return
        bundle = registry.load(CURRENT)
        newest = next(reversed(registry.history()), None)
        by = _BY_DISK
        if newest is not None and newest.to_version == bundle.version and newest.by:
            by = newest.by
        self._carry_out("bundle.take", by, bundle, lambda: None)

    def _is_in_force(self, version: str) -> bool:
        return version == self._engine.versions.bundle

    def _carry_out(
        self, action: str, by: str, bundle: Bundle, change: Callable[[], Change | None]
    ) -> Change | None:
        """Decide by a bundle once what is on the disk has changed with it."""
        changes: list[Change | None] = []

        def commit() -> None:
            row = AuditRow(
                at_ms=self._now_ms(),
                action=action,
                by=by,
                subject=bundle.version,
                details={"from": self._engine.versions.bundle},
            )
            append_audit(self._audit, row)
            changes.append(change())

        self._engine.replace(bundle, commit=commit)
        self.problem = None
        _log.info("bundle %s decides", bundle.version)
        return changes[0]

    def _held(self) -> Registry:
        if self._registry is None:
            raise BundleError(
                "the service must be started with models/current to change what decides, it was "
                "started with one bundle's folder; start it with FRAUDKIT_BUNDLE=models/current"
            )
        return self._registry

    def _warn(self, problem: str) -> None:
        self.problem = f"{problem}; the bundle before goes on"
        _log.error("%s", self.problem)

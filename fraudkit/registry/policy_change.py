"""Another policy in force: the bundle in force with it, checked on recent orders first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from msgspec import Struct

from fraudkit.decisions.policy import Policy, parse_policy
from fraudkit.errors import BundleError, GuardrailError
from fraudkit.registry.difference import differing, policy_figures
from fraudkit.registry.history import Change
from fraudkit.registry.models_folder import CURRENT, Registry
from fraudkit.registry.policy_checks import (
    PolicyChecks,
    RecentOrders,
    check_change,
    stricter_guardrails,
)
from fraudkit.scoring.bundle import sign_bundle
from fraudkit.scoring.durable_files import replace_folder
from fraudkit.scoring.manifest import MANIFEST, CheckedFiles, manifest_of

__all__ = ["CarryOut", "PolicyChange", "policy_differences", "promote_policy"]

CarryOut = Callable[[str, Callable[[], Change | None]], Change | None]
"""Takes a version and what puts it in force, calls that, and returns the change."""

_UNCHECKED: Final = (
    "guardrails must be held against recent orders, none were given; give --scores and --data"
)


class PolicyChange(Struct, frozen=True, kw_only=True):
    """What became of a change of policy.

    Attributes
    ----------
    bundle : str
        The version that is in force with this policy.
    change : Change or None
        ``None`` where the bundle in force held this very file already.
    differences : dict[str, tuple]
        Every figure that differs, before and after; ``None`` where one has no such.
    checks : PolicyChecks or None
        ``None`` where no recent orders were given.
    """

    bundle: str
    change: Change | None
    differences: dict[str, tuple[Any, Any]]
    checks: PolicyChecks | None


def policy_differences(old: Policy, new: Policy) -> dict[str, tuple[Any, Any]]:
    """Return every figure that differs, in both; empty for equal policies alone.

    Examples
    --------
    >>> from fraudkit.decisions.policy import Constraints
    >>> policy_differences(Policy(), Policy(constraints=Constraints(reviews_per_day=50)))
    {'constraints.reviews_per_day': (None, 50)}
    """
    return differing(policy_figures(old), policy_figures(new))


def promote_policy(  # noqa: PLR0913 - what a history holds of a change
    registry: Registry,
    text: str,
    *,
    origin: str,
    orders: RecentOrders | None,
    now_ms: int,
    by: str,
    why: str = "",
    override: str = "",
    private_key_path: Path | None = None,
    carry_out: CarryOut = lambda _version, change: change(),
) -> PolicyChange:
    """Put the bundle in force, with another policy, in force in its place.

    The new bundle differs in ``policy.toml`` alone. `Registry.rollback` brings back the bundle
    that was in force, and with it its policy.

    Parameters
    ----------
    text : str
        The new ``policy.toml``.
    origin : str
        Where it came from, for messages.
    orders : RecentOrders or None
        What the guardrails are held against; see `fraudkit.registry.policy_checks.check_change`.
    now_ms : int
        UTC epoch milliseconds, for the history.
    by, why : str
        Who wants it and the reason, for the history.
    override : str
        The reason to go on where guardrails are not kept; the history holds it then, with who it
        was and the figures.
    private_key_path : Path, optional
        Signs the new bundle; see `fraudkit.scoring.bundle.sign_bundle`.
    carry_out : callable
        Is given the new version, which is in the registry by then, and must call what it is given
        to put it in force; what it raises stops the change.

    Raises
    ------
    GuardrailError
        If guardrails are not kept, or there are no orders to hold them against, and there is no
        override; then nothing is changed.
    PolicyError
        If the policy does not hold.
    BundleError
        If nothing is in force, something else is by the time of the change, or the new bundle is
        not taken.
    """
    base = registry.current()
    if base is None:
        raise BundleError(
            f"{registry.folder} must have a bundle in force whose policy is changed; "
            "put one in force with `fraudkit models promote`"
        )
    files, bundle = registry.files(base), registry.load(base)
    currency = bundle.rates.reference_currency
    old = parse_policy(bundle.policy_text, f"policy.toml of bundle {base}", currency=currency)
    new = parse_policy(text, origin, currency=currency)
    checks = None if orders is None else check_change(old, new, orders)
    failed = _failed(old, new, checks)
    if failed and not override.strip():
        raise GuardrailError(
            f"{origin}: " + "\n  ".join(failed) + "\n  --override REASON puts it in force anyway",
            failed,
        )
    differences = policy_differences(old, new)
    if files.contents["policy.toml"] == text.encode():
        return PolicyChange(bundle=base, change=None, differences=differences, checks=checks)
    version = _added(registry, files, text, private_key_path)
    change = carry_out(
        version,
        lambda: registry.promote(
            version,
            now_ms=now_ms,
            by=by,
            why=why,
            override=override if failed else "",
            checks=None if checks is None else msgspec.json.decode(msgspec.json.encode(checks)),
            only_from=files.version,
        ),
    )
    return PolicyChange(bundle=version, change=change, differences=differences, checks=checks)


def _failed(old: Policy, new: Policy, checks: PolicyChecks | None) -> tuple[str, ...]:
    if checks is not None:
        return checks.failed
    return () if stricter_guardrails(old, new) is None else (_UNCHECKED,)


def _added(
    registry: Registry, files: CheckedFiles, text: str, private_key_path: Path | None
) -> str:
    """Return the version of the same bundle with another policy, after it was added."""
    contents = {**files.contents, "policy.toml": text.encode()}
    manifest = manifest_of(contents, files.manifest.features)
    with TemporaryDirectory() as folder:
        made = Path(folder) / CURRENT
        replace_folder(made, {**contents, MANIFEST: manifest})
        if private_key_path is not None:
            sign_bundle(made, private_key_path)
        return registry.add(made)

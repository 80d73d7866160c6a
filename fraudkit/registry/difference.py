"""What differs between two bundles, for whoever decides which is to be in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from fraudkit.decisions.policy import Policy, parse_policy
from fraudkit.scoring.bundle import Bundle

__all__ = ["Difference", "difference", "differing", "flat", "policy_figures"]

_ESTIMATE: Final = {"value", "low", "high"}
_ABSENT: Final = None


class Difference(Struct, frozen=True, kw_only=True):
    """What differs between two bundles.

    Attributes
    ----------
    versions : tuple of str
        Of the first and the second.
    features_added, features_removed : tuple of str
        Names that only the second, or only the first has, in column order.
    features_changed : tuple of str
        Names that both have with another definition.
    sections : dict[str, dict[str, tuple]]
        What differs in ``training`` (the window, counts, label maturity), ``settings``,
        ``metrics``, ``calibration``, ``policy``, ``rates``, ``libraries`` and ``model``: a name
        with dots, and its values in the first and the second; ``None`` where one has no such.
        An estimate with an interval is one value, a dict of ``value``, ``low`` and ``high``.
    """

    versions: tuple[str, str]
    features_added: tuple[str, ...]
    features_removed: tuple[str, ...]
    features_changed: tuple[str, ...]
    sections: dict[str, dict[str, tuple[Any, Any]]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        features = self.features_added + self.features_removed + self.features_changed
        return not features and not any(self.sections.values())


def difference(first: Bundle, second: Bundle) -> Difference:
    """Return what differs between two bundles.

    Raises
    ------
    fraudkit.errors.PolicyError
        If one of the policies cannot be read.
    """
    one, other = _definitions(first), _definitions(second)
    sections = [_sections(first), _sections(second)]
    return Difference(
        versions=(first.version, second.version),
        features_added=tuple(name for name in other if name not in one),
        features_removed=tuple(name for name in one if name not in other),
        features_changed=tuple(
            name for name, held in one.items() if name in other and other[name] != held
        ),
        sections={name: differing(held, sections[1][name]) for name, held in sections[0].items()},
    )


def flat(plain: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings, each with its path; an estimate is one value.

    Examples
    --------
    >>> list(flat({"a": {"b": 1, "c": [2]}, "auc": {"value": 0.9, "low": 0.8, "high": 1.0}}))
    [('a.b', 1), ('a.c', [2]), ('auc', {'value': 0.9, 'low': 0.8, 'high': 1.0})]
    """
    for name, value in plain.items():
        if isinstance(value, Mapping) and not set(value) >= _ESTIMATE:
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the names whose values differ, with both; ``None`` where one has no such.

    Examples
    --------
    >>> differing({"a": 1, "b": 2}, {"b": 3, "c": 4})
    {'a': (1, None), 'b': (2, 3), 'c': (None, 4)}
    """
    pairs = {
        name: (first.get(name, _ABSENT), second.get(name, _ABSENT))
        for name in dict.fromkeys([*first, *second])
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def policy_figures(policy: Policy) -> dict[str, Any]:
    """Return every figure of a policy by its path; those of a segment by the segment's name.

    Examples
    --------
    >>> figures = policy_figures(Policy())
    >>> figures["costs.margin_share"], figures["segments"]
    (0.25, [])
    """
    plain = msgspec.to_builtins(policy)
    segments = plain.pop("segments")
    by_name = {f"segments.{held['name']}": held for held in segments}
    return {
        **dict(flat(plain)),
        "segments": [held["name"] for held in segments],
        **dict(flat(by_name)),
    }


def _definitions(bundle: Bundle) -> dict[str, Any]:
    return {feature.name: feature.describe() for feature in bundle.features.features}


def _sections(bundle: Bundle) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {"training": {}, "settings": {}, "metrics": {}}
    for name, value in flat(bundle.training):
        parts = name.split(".")
        section = "metrics" if "metrics" in parts else parts[0] if parts[0] in sections else ""
        sections[section or "training"][name] = value
    policy = parse_policy(bundle.policy_text, f"policy.toml of bundle {bundle.version}")
    sections["calibration"] = dict(flat(msgspec.to_builtins(bundle.calibration)))
    sections["policy"] = policy_figures(policy)
    sections["rates"] = dict(flat(msgspec.to_builtins(bundle.rates.file)))
    sections["libraries"] = dict(bundle.libraries)
    sections["model"] = {
        "n_trees": bundle.scorer.n_trees,
        "n_leaves": bundle.scorer.n_leaves,
        "model.txt": bundle.manifest.files["model.txt"][:16],
    }
    return sections

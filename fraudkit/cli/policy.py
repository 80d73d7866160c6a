"""The commands about policies: check one, compare two, put one in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraudkit import console
from fraudkit.cli.options import (
    MODELS,
    AsJson,
    ChangedBy,
    ChangedWhy,
    MappingFile,
    ModelsFolder,
    TrustedKeysPath,
)
from fraudkit.cli.reading import (
    last_known_ms,
    named_bundle,
    now_ms,
    open_registry,
    policy_text,
    read_orders,
    read_policy,
    report_errors,
)
from fraudkit.cli.service_call import ServiceUrl, ask, show_changed
from fraudkit.cli.tables import add_row, plain_table, words
from fraudkit.console import print_json, stages
from fraudkit.errors import InputError

if TYPE_CHECKING:
    from fraudkit.decisions.threshold_table import Thresholds
    from fraudkit.registry.policy_change import PolicyChange
    from fraudkit.registry.policy_checks import PolicyChecks

__all__ = ["check", "diff", "promote"]

_AMOUNTS_MINOR = (1_000, 5_000, 10_000, 50_000, 100_000)

_PolicyFile = Annotated[Path, typer.Argument(help="A policy.toml.")]
_PolicyName = Annotated[
    str,
    typer.Argument(
        help="A file that ends in .toml; or a bundle: a name in the registry, `current`, or a "
        "path with a slash in it."
    ),
]


def check(file: _PolicyFile, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Say whether a policy holds; show its figures and its thresholds at some amounts."""
    from fraudkit.decisions.threshold_table import thresholds
    from fraudkit.registry.difference import policy_figures

    policy = read_policy(file)
    figures = {
        name: value for name, value in policy_figures(policy).items() if value not in (None, [])
    }
    held = thresholds(policy, _AMOUNTS_MINOR)
    if as_json:
        print_json({"policy": policy.digest[:16], "figures": figures, "thresholds": held})
        return
    console.out.print(f"{file} holds; policy [bold]{policy.digest[:16]}[/bold]", highlight=False)
    table = plain_table("what", "value")
    for name, value in figures.items():
        add_row(table, name, words(value))
    console.out.print(table)
    _print_thresholds(held, policy.costs.currency)


def diff(
    old: _PolicyName,
    new: _PolicyName,
    models: ModelsFolder = MODELS,
    keys: TrustedKeysPath = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Show every figure that differs between two policies."""
    from fraudkit.registry.policy_change import policy_differences

    found = policy_differences(*(_policy(name, models, keys) for name in (old, new)))
    if as_json:
        print_json(found)
    elif found:
        _print_differences(found, old, new)
    else:
        console.out.print("nothing differs")


def promote(  # noqa: PLR0913, PLR0917 - options of a command
    file: _PolicyFile,
    by: ChangedBy,
    scores: Annotated[
        Path | None, typer.Option(help="What `fraudkit score` wrote of recent orders.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="FILE...", help="The orders that were scored."),
    ] = None,
    mapping: MappingFile = None,
    why: ChangedWhy = "",
    override: Annotated[
        str,
        typer.Option(
            metavar="REASON", help="Go on where guardrails are not kept; the history holds it."
        ),
    ] = "",
    models: ModelsFolder = MODELS,
    key: Annotated[
        Path | None, typer.Option(help="The private key that signs the new bundle.")
    ] = None,
    keys: TrustedKeysPath = None,
    url: ServiceUrl = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Put the bundle in force with another policy, in force; guardrails are held first.

    With --url the service does so; it holds no orders against guardrails, so where a policy
    states some, only an override goes on. The history then names the key instead of --by.
    """
    from fraudkit.registry.policy_change import promote_policy

    if url is not None:
        if scores is not None or data:
            raise InputError("--scores and --data are of files here, leave --url out with them")
        asked = {"policy": policy_text(file), "why": why, "override": override}
        show_changed(ask(url, "/v1/policy/promote", asked), as_json=as_json)
        return
    if (scores is None) is not (not data):
        raise InputError("--scores and --data must be given together: scores hold no amounts")
    if keys is not None and key is None:
        raise InputError(
            "--key must be given with --trusted-keys: the new bundle needs a signature"
        )
    registry, text = open_registry(models, keys), policy_text(file)
    orders = None
    if scores is not None and data:
        orders = _recent_orders(registry, text, str(file), scores, data, mapping)
    with stages(is_quiet=as_json) as show:
        show("checking")
        found = promote_policy(
            registry,
            text,
            origin=str(file),
            orders=orders,
            now_ms=now_ms(),
            by=by,
            why=why,
            override=override,
            private_key_path=key,
        )
    _show_change(found, as_json=as_json)


def _policy(name: str, models: Path, keys: Path | None) -> Any:
    from fraudkit.decisions.policy import parse_policy

    if name.endswith(".toml"):
        return read_policy(Path(name))
    bundle = open_registry(models, keys).load(named_bundle(name))
    return parse_policy(bundle.policy_text, f"policy.toml of bundle {bundle.version}")


def _recent_orders(
    registry: Any, text: str, origin: str, scores: Path, data: list[Path], mapping: Path | None
) -> Any:
    from fraudkit.decisions.policy import parse_policy
    from fraudkit.evaluation import read_scores
    from fraudkit.registry.recent_orders import recent_orders

    bundle = registry.load("current")
    policies = [parse_policy(bundle.policy_text), parse_policy(text, origin)]
    columns, read = read_orders(data, mapping)
    report_errors(read)
    return recent_orders(
        read_scores(scores)[0],
        read,
        bundle.rates,
        policies,
        as_of_ms=last_known_ms(read, columns),
        label_delay_days=columns.delay_days,
    )


def _show_change(found: PolicyChange, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    if found.differences:
        _print_differences(found.differences, "before", "after")
    if found.checks is not None:
        _print_checks(found.checks)
    if found.change is None:
        console.out.print("this policy is in force already")
        return
    if found.change.override:
        add_row(
            table := plain_table("overridden by", "reason"), found.change.by, found.change.override
        )
        console.out.print(table)
    console.out.print(
        f"[bold]{found.bundle}[/bold] is in force, {found.change.from_bundle} was; "
        "a service of this folder takes it within two seconds",
        highlight=False,
    )


def _print_checks(checks: PolicyChecks) -> None:
    table = plain_table(
        "action", "before", "after", title=f"{checks.n_moved:,} of {checks.n_orders:,} orders move"
    )
    for name, before in checks.share_before.items():
        add_row(table, name, f"{before:.2%}", f"{checks.share_after[name]:.2%}")
    console.out.print(table)
    cost = checks.cost
    interval = "no interval over fewer than 5 days"
    if cost.low_minor is not None:
        interval = f"90 % interval {cost.low_minor:,.0f} to {cost.high_minor:,.0f}"
    console.out.print(
        f"cost {cost.value_minor:+,.0f} minor units over {cost.n_orders:,} orders, "
        f"{cost.n_outcome_known:,} of them with a known outcome, "
        f"{interval}",
        highlight=False,
    )
    if checks.fields_absent:
        console.err.print(
            f"fields that a policy reads and no order has: {', '.join(checks.fields_absent)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    for failed in checks.failed:
        console.err.print(f"not kept: {failed}", highlight=False, markup=False, soft_wrap=True)


def _print_differences(found: dict[str, tuple[Any, Any]], old: str, new: str) -> None:
    table = plain_table("what", old, new)
    for name, (before, after) in found.items():
        add_row(table, name, words(before), words(after))
    console.out.print(table)


def _print_thresholds(held: tuple[Thresholds, ...], currency: str) -> None:
    from fraudkit.decisions.policy import ACTIONS

    table = plain_table(
        "segment",
        "can be challenged",
        f"minor units of {currency}",
        *(f"{name} from" for name in ACTIONS),
        title="The probability of fraud from which each action holds",
    )
    for row in held:
        begins = {of.action: f"{of.from_probability:.4f}" for of in row.ranges}
        add_row(
            table,
            row.segment or "",
            "yes" if row.can_challenge else "no",
            f"{row.amount_minor:,}",
            *(begins.get(name, "never") for name in ACTIONS),
        )
    console.out.print(table)

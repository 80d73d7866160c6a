"""The dashboard and the alert rules read metrics that the service exposes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.metrics import METRICS
from tests.architecture.files import ROOT
from tests.architecture.test_files import anchors_of
from tests.service.promql import metrics_of

DASHBOARD = json.loads((ROOT / "docs" / "dashboards" / "fraudkit.json").read_text("utf-8"))
ALERTS = ROOT / "docs" / "alerts" / "fraudkit.yml"
CASES = ROOT / "tests" / "service" / "alert_cases.yml"
RULES = [
    rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]
]
PANELS = DASHBOARD["panels"]
UNITS = {"reqps", "percentunit", "s", "short", "bytes", "none"}
OF_PROMETHEUS = {"up"}
"""What Prometheus adds itself."""
WANTED_ALERTS = {
    *("FraudkitDown", "FraudkitFailing", "FraudkitSlow", "FraudkitDegraded"),
    *("FraudkitShedding", "FraudkitDeclinesMoved", "FraudkitJournalLag"),
    *("FraudkitStoreEvicting", "FraudkitNoOutcomes", "FraudkitVersionsDiffer"),
}


def exposed() -> Iterator[tuple[str, set[str]]]:
    """Yield every series name with its labels."""
    for name, (kind, labels, _) in METRICS.items():
        if kind == "histogram":
            yield f"{name}_bucket", {*labels, "le"}
            yield f"{name}_sum", set(labels)
            yield f"{name}_count", set(labels)
        else:
            yield name, set(labels)


LABELS_OF = dict(exposed())
ADDED = {"instance", "job"}


def wrong_labels(expression: str) -> set[tuple[str, str]]:
    """Return labels that are matched on a metric that does not have them."""
    return {
        (name, label)
        for name, matchers in re.findall(r"([a-z_]+)\{([^{}]*)\}", expression)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)
        if label not in LABELS_OF.get(name, set()) | ADDED
    }


def expressions() -> Iterator[tuple[str, str]]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_and_label_of_an_expression_is_exposed(where: str, expression: str) -> None:
    used = metrics_of(expression)
    assert used, where
    assert used - OF_PROMETHEUS - LABELS_OF.keys() == set()
    assert wrong_labels(expression) == set()


def test_a_metric_that_is_not_exposed_is_found() -> None:
    assert metrics_of("rate(fraudkit_made_up_total[5m])") - LABELS_OF.keys() == {
        "fraudkit_made_up_total"
    }
    assert wrong_labels('sum(fraudkit_decisions_total{route="x", job="y"})') == {
        ("fraudkit_decisions_total", "route")
    }


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('a{b="c"} / on () group_left () sum(d)', {"a", "d"}),
        (
            "histogram_quantile(0.99, sum by (le, x) (rate(a_bucket[$__rate_interval])))",
            {"a_bucket"},
        ),
        ("sum without (x) (a) unless b or c > bool 1e3", {"a", "b", "c"}),
        ('count(a{b=~"x{2}|y\\"z"}) - 0.5', {"a"}),
        ("rate(a:b[1h:5m] offset 1w)", {"a:b"}),
    ],
)
def test_names_are_found_in_an_expression(expression: str, names: set[str]) -> None:
    assert metrics_of(expression) == names


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert() -> None:
    shown = set().union(*(metrics_of(expression) for _, expression in expressions()))
    ours = {name for name in METRICS if name.startswith("fraudkit_")}
    assert {
        name
        for name in ours - {"fraudkit_journal_lag_records"}
        if not any(used.startswith(name) for used in shown)
    } == set()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_panel_has_a_title_a_unit_and_an_expression(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    assert all(target["expr"] for target in panel["targets"])
    assert panel["datasource"]["uid"] == "${datasource}"


def test_no_two_panels_lie_on_each_other() -> None:
    cells = [
        (x, y)
        for panel in PANELS
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in PANELS}) == len({panel["title"] for panel in PANELS})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_a_summary_and_a_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert rule["annotations"]["summary"].endswith(".")
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    assert anchor in anchors_of(ROOT / page)


def test_labels_in_a_summary_are_left_by_the_expression() -> None:
    for rule in RULES:
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            kept = re.findall(r"\b(?:by) \(([^)]*)\)", rule["expr"])
            assert not kept or any(label in names.split(", ") for names in kept), rule["alert"]


def test_what_has_to_be_watched_has_an_alert() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    assert WANTED_ALERTS - set(names) == set()
    headings = re.findall(
        r"^### (Fraudkit\w+)$", (ROOT / "docs" / "operations.md").read_text("utf-8"), re.MULTILINE
    )
    assert headings == names


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("words", [("check", ALERTS), ("test", CASES)], ids=["check", "test"])
def test_prometheus_itself_takes_the_rules_and_they_come_up(words: tuple[str, Path]) -> None:
    doing, file = words
    ended = subprocess.run(
        ["promtool", doing, "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_alert_has_a_case() -> None:
    assert [
        name for name in (rule["alert"] for rule in RULES) if name not in CASES.read_text()
    ] == []

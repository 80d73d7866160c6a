"""The registry: what it names as in force is whole, whoever changes it and whatever ends when."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from fraudkit.errors import BundleError, FraudkitError, PolicyError
from fraudkit.registry import Registry
from fraudkit.registry.difference import difference
from fraudkit.registry.models_folder import CURRENT, HISTORY
from fraudkit.scoring.bundle import load_bundle, sign_bundle, write_bundle
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.manifest import SIGNATURE
from fraudkit.scoring.signature import make_key_pair, trusted_keys
from tests.architecture.files import ROOT
from tests.scoring.mutations import content

CONTENT = content()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make three bundles: one, two and three differ in what their cards say."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("one", "two", "three"):
        write_bundle(folder / name, msgspec.structs.replace(CONTENT, card=name))
    return folder


@pytest.fixture
def registry(made: Path, tmp_path: Path) -> Registry:
    shutil.copytree(made, tmp_path / "models")
    return Registry(tmp_path / "models")


def promote(registry: Registry, *names: str) -> None:
    for number, name in enumerate(names):
        registry.promote(name, now_ms=number, by="ann", why="")


def test_what_is_promoted_is_in_force_and_the_history_says_so(registry: Registry) -> None:
    assert registry.current() is None
    change = registry.promote("one", now_ms=5, by="ann", why="first")
    assert change is not None
    assert (change.from_bundle, change.to_bundle, change.by, change.why) == (
        *(None, "one"),
        *("ann", "first"),
    )
    version = load_bundle(registry.folder / CURRENT).version
    assert change.to_version == version == registry.verify("current").version
    registry.promote("two", now_ms=6, by="bob")
    assert registry.current() == "two"
    assert registry.history()[0] == change
    assert [(held.from_bundle, held.from_version) for held in registry.history()] == [
        (None, None),
        ("one", version),
    ]


def test_promoting_what_is_in_force_changes_nothing(registry: Registry) -> None:
    promote(registry, "one")
    assert registry.promote("one", now_ms=9, by="ann") is None
    assert len(registry.history()) == 1


def test_rolling_back_twice_goes_further_back(registry: Registry) -> None:
    promote(registry, "one", "two", "three")
    assert registry.rollback(now_ms=3, by="ann").to_bundle == "two"
    assert registry.rollback(now_ms=4, by="ann").to_bundle == "one"
    assert registry.current() == "one"
    with pytest.raises(BundleError, match="must have had another bundle in force before"):
        registry.rollback(now_ms=5, by="ann")
    promote(registry, "three")
    assert registry.rollback(now_ms=6, by="ann").to_bundle == "one"
    assert [change.action for change in registry.history()] == [
        *("promote", "promote", "promote"),
        *("rollback", "rollback", "promote", "rollback"),
    ]


def test_what_was_put_in_force_by_hand_is_noted_and_gone_back_to(registry: Registry) -> None:
    promote(registry, "one", "two")
    (registry.folder / CURRENT).write_text("three\n")
    promote(registry, "one")
    found = registry.history()[2]
    assert (found.action, found.from_bundle, found.to_bundle) == ("found", "two", "three")
    assert registry.rollback(now_ms=3, by="ann").to_bundle == "three"
    assert registry.rollback(now_ms=4, by="ann").to_bundle == "two"


@pytest.mark.parametrize(
    ("promoted", "by_hand", "leads_to"),
    [
        ((), None, None),
        (("one",), None, None),
        (("one", "two"), None, "one"),
        (("one", "two", "three"), "two", "one"),
        (("one", "two"), "three", "two"),
        (("one",), "two", "one"),
    ],
)
def test_where_a_rollback_leads_is_told_before(
    registry: Registry, promoted: tuple[str, ...], by_hand: str | None, leads_to: str | None
) -> None:
    promote(registry, *promoted)
    if by_hand is not None:
        (registry.folder / CURRENT).write_text(f"{by_hand}\n")
    before = registry.before()
    assert (None if before is None else before.name) == leads_to
    if leads_to is None:
        with pytest.raises(BundleError, match="must have had another bundle in force before"):
            registry.rollback(now_ms=9, by="ann")
        return
    with pytest.raises(BundleError, match="must still go back to absent"):
        registry.rollback(now_ms=9, by="ann", only_to="absent")
    assert registry.rollback(now_ms=9, by="ann", only_to=leads_to).to_bundle == leads_to


def test_going_back_by_hand_is_going_back(registry: Registry) -> None:
    promote(registry, "one", "two", "three")
    (registry.folder / CURRENT).write_text("two\n")
    assert registry.rollback(now_ms=3, by="ann").to_bundle == "one"


def test_a_bundle_that_does_not_hold_is_not_promoted(registry: Registry) -> None:
    promote(registry, "one")
    (registry.folder / "two" / "card.md").write_bytes(b"altered")
    with pytest.raises(BundleError, match=r"card\.md is not the file"):
        registry.promote("two", now_ms=1, by="ann")
    for policy in ("[costs]\nmargin_share = 2.0\n", '[costs]\ncurrency = "USD"\n'):
        write_bundle(
            registry.folder / "three", msgspec.structs.replace(CONTENT, policy_text=policy)
        )
        with pytest.raises(PolicyError, match=r"policy\.toml of bundle"):
            registry.promote("three", now_ms=1, by="ann")
    with pytest.raises(BundleError, match="must hold the bundle 'four'; it holds one, three, two"):
        registry.promote("four", now_ms=1, by="ann")
    assert registry.current() == "one"
    assert len(registry.history()) == 1


@pytest.mark.parametrize("name", ["../models/one", "/etc", "..", ".", "", "current", ".lock"])
def test_no_name_leads_out_of_the_registry(registry: Registry, name: str) -> None:
    with pytest.raises(BundleError, match="must hold the bundle"):
        registry.promote(name, now_ms=1, by="ann")


def test_what_was_in_force_and_is_another_now_is_not_gone_back_to(registry: Registry) -> None:
    promote(registry, "one", "two")
    write_bundle(registry.folder / "one", msgspec.structs.replace(CONTENT, card="anew"))
    with pytest.raises(BundleError, match="must still be version"):
        registry.rollback(now_ms=2, by="ann")
    shutil.rmtree(registry.folder / "one")
    with pytest.raises(BundleError, match="must hold the bundle 'one'"):
        registry.rollback(now_ms=2, by="ann")
    assert registry.current() == "two"


def test_a_bundle_is_added_under_its_version(made: Path, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "new")
    version = registry.add(made / "one")
    assert registry.names() == (version,) == (load_bundle(made / "one").version,)
    assert registry.add(made / "one") == version
    assert registry.verify(version).card == "one"
    (registry.folder / version).rename(registry.folder / ("0" * 16))
    with pytest.raises(BundleError, match="must hold the version of its name"):
        registry.verify("0" * 16)
    assert registry.entries()[0].problem.endswith(f"it holds {version}")


def test_what_does_not_hold_is_not_added(made: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(made / "one", tmp_path / "broken")
    (broken / "model.txt").write_bytes(b"")
    registry = Registry(tmp_path / "new")
    with pytest.raises(BundleError, match=r"model\.txt is not the file"):
        registry.add(broken)
    assert not registry.folder.exists()


def test_an_added_bundle_that_was_harmed_is_put_right_by_adding_it_again(
    made: Path, tmp_path: Path
) -> None:
    registry = Registry(tmp_path / "new")
    version = registry.add(made / "one")
    (registry.folder / version / "card.md").write_bytes(b"altered")
    assert registry.add(made / "one") == version
    assert registry.verify(version).version == version


def test_with_trusted_keys_only_what_they_signed_is_taken(registry: Registry) -> None:
    keys = registry.folder.parent
    signer = make_key_pair(keys / "a.secret", keys / "a.pem")
    strict = Registry(registry.folder, trusted_keys=trusted_keys(keys / "a.pem"))
    with pytest.raises(BundleError, match=r"signature\.json must be there"):
        strict.promote("one", now_ms=1, by="ann")
    sign_bundle(registry.folder / "one", keys / "a.secret")
    strict.promote("one", now_ms=1, by="ann")
    assert strict.verify("current").signed_by == signer
    entries = {entry.name: entry for entry in strict.entries()}
    assert entries["one"].signed_by == signer
    assert "signature.json" in entries["two"].problem
    assert registry.entry("one").signed_by is None
    assert registry.entry("one").has_signature


def test_a_signature_that_came_later_is_added(made: Path, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "new")
    version = registry.add(made / "one")
    make_key_pair(tmp_path / "a.secret", tmp_path / "a.pem")
    signed = shutil.copytree(made / "one", tmp_path / "signed")
    sign_bundle(signed, tmp_path / "a.secret")
    assert registry.add(signed) == version
    assert (registry.folder / version / SIGNATURE).exists()
    assert registry.add(made / "one") == version
    assert (registry.folder / version / SIGNATURE).exists()


def test_the_list_shows_what_must_not_be_used_too(registry: Registry) -> None:
    promote(registry, "one")
    (registry.folder / "two" / "model.txt").unlink()
    (registry.folder / "notes.txt").write_text("not a bundle")
    one, three, two = registry.entries()
    assert (one.name, one.is_current, one.problem) == ("one", True, "")
    assert one.training == CONTENT.training
    assert (three.name, three.is_current) == ("three", False)
    assert two.version == ""
    assert "model.txt must be readable" in two.problem


def test_a_torn_last_line_of_the_history_never_counted(registry: Registry) -> None:
    promote(registry, "one", "two")
    path = registry.folder / HISTORY
    path.write_bytes(path.read_bytes() + b'{"at_ms":7,"act')
    assert len(registry.history()) == 2
    assert registry.rollback(now_ms=2, by="ann").to_bundle == "one"
    assert len(registry.history()) == 3
    path.write_bytes(b"torn\n" + path.read_bytes())
    with pytest.raises(BundleError, match=r"history\.ndjson, line 1, must be a change"):
        registry.history()


def test_a_difference_says_what_differs(registry: Registry) -> None:
    estimate = {"value": 0.91, "low": 0.89, "high": 0.93}
    training = {
        **CONTENT.training,
        "settings": {"num_leaves": 5},
        "held_back": {"metrics": {"auc": estimate}},
    }
    other = msgspec.structs.replace(
        CONTENT,
        training=training,
        policy_text='on_unknown_amount = "decline"\n',
        libraries={"fraudkit": "0.2.0"},
        calibration=Calibration(method="logistic", raw_score=(-1.0, 1.0), log_odds=(-2.0, 2.0)),
    )
    write_bundle(registry.folder / "four", other)
    found = registry.diff("one", registry.folder / "four")
    assert found.features_added == found.features_removed == found.features_changed == ()
    assert found.sections["policy"] == {
        "costs.margin_share": (0.3, 0.25),
        "on_unknown_amount": ("review", "decline"),
    }
    assert found.sections["libraries"] == {"fraudkit": ("0.1.0", "0.2.0")}
    assert found.sections["settings"] == {"settings.num_leaves": (None, 5)}
    assert found.sections["metrics"] == {"held_back.metrics.auc": (None, estimate)}
    assert found.sections["calibration"]["method"] == ("isotonic", "logistic")
    assert found.sections["model"] == {}
    assert not found.is_empty
    assert registry.diff("one", "one").is_empty


def test_a_difference_names_the_features(made: Path) -> None:
    fewer = CONTENT.features.keep(["amount", "local_hour"])
    first = load_bundle(made / "one")
    second = msgspec.structs.replace(first, features=fewer)
    lost = ("card_brand", "per_line", "card_attempts_1h", "card_gap_30d")
    assert difference(first, second).features_removed == lost
    assert difference(second, first).features_added == lost


PROMOTERS = 6


def test_many_promoting_at_once_leave_a_valid_state(registry: Registry) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.registry.racing", registry.folder, str(number), "6"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        for number in range(PROMOTERS)
    ]
    seen = set()
    while any(process.poll() is None for process in started):
        if (registry.folder / CURRENT).exists():
            seen.add(load_bundle(registry.folder / CURRENT).version)
    for process in started:
        _out, said = process.communicate()
        assert process.returncode == 0, said
    assert len(seen) > 1
    history = registry.history()
    assert {change.by for change in history} <= {f"process {n}" for n in range(PROMOTERS)}
    assert all(change.from_bundle == before.to_bundle for before, change in pairwise(history))
    assert history[-1].to_bundle == registry.current()
    registry.verify("current")


@pytest.mark.parametrize("dies_at", ["replace_file", "append_change"])
@pytest.mark.parametrize("after", ["0", "1"])
def test_a_promoter_that_is_killed_leaves_a_valid_state(
    registry: Registry, dies_at: str, after: str
) -> None:
    promote(registry, "two")
    words = [sys.executable, "-m", "tests.registry.racing", registry.folder, "0", "9", dies_at]
    ended = subprocess.run(
        words, cwd=ROOT, env={"DIES_AFTER": after, "PATH": ""}, check=False, capture_output=True
    )
    assert ended.returncode == -9, ended.stderr
    current = registry.current()
    assert current == ("two" if (dies_at, after) == ("replace_file", "0") else "one")
    registry.verify("current")
    registry.history()
    promote(registry, "three")
    history = registry.history()
    assert [change.to_bundle for change in history] == list(
        dict.fromkeys(["two", current, "three"])
    )
    assert registry.rollback(now_ms=9, by="ann").to_bundle == current


def test_a_folder_that_cannot_be_written_is_told_in_a_line(tmp_path: Path, made: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(FraudkitError, match="must be a folder"):
        Registry(tmp_path / "models").add(made / "one")
    with pytest.raises(BundleError, match="must be a folder of bundles"):
        Registry(tmp_path / "absent").entries()

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from fraudkit.domain.money import rate_table
from fraudkit.errors import BundleError
from fraudkit.features.catalog import default_features
from fraudkit.scoring import durable_files
from fraudkit.scoring.bundle import (
    BundleContent,
    load_bundle,
    write_bundle,
)
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.scoring.learning.fit import fit_model, reference_row
from fraudkit.scoring.manifest import FILES

FEATURES = default_features(levels={"card_brand": ["amex", "visa"]}).keep(
    ["amount", "local_hour", "card_brand", "card_attempts_1h"]
)


def made_content() -> BundleContent:
    rng = np.random.default_rng(3)
    rows = np.column_stack(
        [
            rng.exponential(5000, 300),
            rng.integers(0, 24, 300).astype(float),
            rng.integers(0, 2, 300).astype(float),
            rng.poisson(1, 300).astype(float),
        ]
    )
    rows[:250, 1] = np.nan
    is_fraud = rows[:, 3] > 1
    settings = ModelSettings(min_data_in_leaf=5, num_leaves=5, n_trees=4)
    text = fit_model(rows, is_fraud, FEATURES, settings).text
    return BundleContent(
        model_text=text,
        features=FEATURES,
        calibration=Calibration(method="logistic", raw_score=(-4.0, 2.0), log_odds=(-6.0, 1.0)),
        reference=reference_row(rows, is_fraud, text),
        rates=rate_table("EUR", {"USD": {"2026-01-01": "0.85"}}),
        policy_text="[costs]\nmargin_share = 0.3\n",
        training={"orders": 300, "frauds": int(is_fraud.sum()), "nested": {"b": 1, "a": [0.5]}},
        card="# Model card\n\nA demo, für Tests.\n",
        libraries={"lightgbm": "4.6.0", "fraudkit": "0.1.0"},
        search=[{"num_leaves": 5, "log_loss": 0.25}, {"num_leaves": 9, "log_loss": 0.5}],
    )


CONTENT = made_content()
ROWS = np.array([[100.0, 3.0, 1.0, 0.0], [9e5, np.nan, 0.0, 4.0], [np.nan] * 4])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "first"
    write_bundle(path, CONTENT)
    return path


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def encoded(plain: dict[str, Any]) -> bytes:
    """Return a manifest in the layout that fraudkit writes, whatever it says."""
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def rewrite(folder: Path, name: str, content: bytes, **manifest: Any) -> None:
    """Change a file and the manifest with it, as somebody would who edits a bundle by hand."""
    (folder / name).write_bytes(content)
    plain = msgspec.json.decode((folder / "manifest.json").read_bytes())
    plain["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_bytes(encoded({**plain, **manifest}))


def test_what_was_written_is_read_back(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.features.names == FEATURES.names
    assert bundle.features.digest == FEATURES.digest
    assert bundle.calibration == CONTENT.calibration
    assert bundle.rates.file == CONTENT.rates.file
    assert bundle.policy_text == CONTENT.policy_text
    assert bundle.training == CONTENT.training
    assert bundle.libraries == CONTENT.libraries
    assert bundle.search == tuple(CONTENT.search)
    assert bundle.card == CONTENT.card
    assert bundle.signed_by is None
    assert bundle.scorer.reference_score == bundle.scorer.score(CONTENT.reference)
    assert np.isnan(CONTENT.reference[FEATURES.names.index("local_hour")])


def test_a_bundle_read_back_and_written_again_has_the_same_bytes(
    folder: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(folder)
    again = msgspec.structs.replace(
        CONTENT,
        model_text=(folder / "model.txt").read_text("utf-8"),
        features=bundle.features,
        calibration=bundle.calibration,
        rates=bundle.rates,
        training=dict(reversed(bundle.training.items())),
        libraries=dict(reversed(bundle.libraries.items())),
    )
    assert write_bundle(tmp_path / "second", again) == bundle.version
    assert bytes_of(tmp_path / "second") == bytes_of(folder)


def test_the_version_names_the_content(folder: Path, tmp_path: Path) -> None:
    version = load_bundle(folder).version
    assert version == write_bundle(tmp_path / "same", CONTENT)
    assert version == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:16]
    other = msgspec.structs.replace(CONTENT, card="another card")
    assert version != write_bundle(tmp_path / "other", other)


def test_a_bundle_replaces_a_bundle(folder: Path) -> None:
    version = write_bundle(folder, msgspec.structs.replace(CONTENT, card="another card"))
    assert load_bundle(folder).version == version


def test_a_bundle_that_cannot_be_written_whole_leaves_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = load_bundle(folder).version

    def full(_path: Path, _content: bytes) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(durable_files, "_write", full)
    with pytest.raises(BundleError, match="must be a folder that can be written: no space left"):
        write_bundle(folder, msgspec.structs.replace(CONTENT, card="another card"))
    assert load_bundle(folder).version == version
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match=r"must be new or a bundle; it holds \['thesis\.txt'\]"):
        write_bundle(tmp_path, CONTENT)
    assert bytes_of(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_file_in_the_bundles_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_text("a file")
    with pytest.raises(BundleError, match="it is a file"):
        write_bundle(path, CONTENT)
    assert path.read_text() == "a file"


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    target = path.parent.parent / path.name
    path.rename(target)
    path.symlink_to(target)


@pytest.mark.parametrize("harm", [append, flip, truncate, empty, Path.unlink, make_folder, link])
@pytest.mark.parametrize("name", FILES)
def test_a_harmed_file_is_refused_by_name(
    folder: Path, name: str, harm: Callable[[Path], None]
) -> None:
    harm(folder / name)
    with pytest.raises(BundleError, match=str(folder / name)):
        load_bundle(folder)


@pytest.mark.parametrize("harm", [empty, Path.unlink, make_folder, link])
def test_a_harmed_manifest_is_refused_by_name(folder: Path, harm: Callable[[Path], None]) -> None:
    harm(folder / "manifest.json")
    with pytest.raises(BundleError, match=str(folder / "manifest.json")):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["model.pkl", ".hidden", "manifest.json.bak"])
def test_a_file_too_many_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, "format must be 2, got 1"),
        ({"features": "0" * 64}, r"features\.json must have the digest"),
        ({"files": {}}, r"must list the files of a bundle; see \['calibration\.json'"),
        ({"unknown": 1}, r"manifest\.json does not hold together"),
        ({"format": "1"}, r"manifest\.json does not hold together"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    folder: Path, change: dict[str, object], message: str
) -> None:
    rewrite(folder, "card.md", b"", **change)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_a_manifest_cannot_name_a_file_elsewhere(folder: Path) -> None:
    plain = msgspec.json.decode((folder / "manifest.json").read_bytes())
    plain["files"]["../secret"] = "0" * 64
    (folder / "manifest.json").write_bytes(msgspec.json.encode(plain))
    with pytest.raises(BundleError, match=r"see \['\.\./secret'\]"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("calibration.json", b"{}", "method"),
        ("calibration.json", b"[", "calibration.json"),
        (
            "calibration.json",
            b'{"method": "x", "raw_score": [0, 1], "log_odds": [1, 0]}',
            "calibration must have at least two knots",
        ),
        ("features.json", b"{}", "features.json does not hold together"),
        ("features.json", b"[]", "features.json does not hold together"),
        ("features.json", b'{"features": [1]}', "features.json does not hold together"),
        ("features.json", b'{"features": [{"kind": "window"}]}', "features.json"),
        ("model.txt", b"\xff\xfe", "model.txt does not hold together"),
        ("model.txt", b"tree\n", "model.txt: num_class must be"),
        ("policy.toml", b"\xff", "policy.toml does not hold together"),
        ("rates.json", b'{"reference_currency": "XXX"}', "rates.json does not hold together"),
        (
            "rates.json",
            b'{"reference_currency": "EUR", "rates": {"USD": {"2026-01-01": "-1"}}}',
            "rates.json does not hold together",
        ),
        ("reference.json", b"[0, 1]", "reference.json must have 4 values"),
        ("reference.json", b'["0"]', "reference.json does not hold together"),
        ("training.json", b"[]", "training.json does not hold together"),
        ("training.json", b'{"sources": 1}', "training.json does not hold together"),
        ("training.json", b'{"sources": {"ip": []}}', "training.json does not hold together"),
        ("training.json", b'{"a":' + b"[" * 50_000, "training.json does not hold together"),
        ("search.json", b"{}", "search.json does not hold together"),
        ("search.json", b"[1]", "search.json does not hold together"),
        ("libraries.json", b'{"numpy": 2}', "libraries.json does not hold together"),
        ("card.md", b"\xff", "card.md does not hold together"),
        ("reference.json", b"[0, 1, 2, 1e999]", "reference.json does not hold together"),
        (
            "rates.json",
            b'{"reference_currency": "EUR", "rates": {"USD": {"2026-01-01": "1e999999999"}}}',
            "rates.json does not hold together",
        ),
        (
            "calibration.json",
            b'{"method": "x", "raw_score": [0, 1e-300, 1], "log_odds": [0, 1, 1]}',
            "the ends 1e-09 wide",
        ),
        (
            "features.json",
            b'{"features": [' + b"0," * 10_000 + b'0], "entities": []}',
            "features must be at most 10,000, got 10,001",
        ),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused_although_the_manifest_fits(
    folder: Path, name: str, content: bytes, message: str
) -> None:
    rewrite(folder, name, content)
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("text", ["{value:>99999999999}", "{value.__class__}", "{x}", "{", "{0}"])
def test_a_sentence_that_could_not_be_said_of_an_order_is_refused(folder: Path, text: str) -> None:
    plain = msgspec.json.decode((folder / "features.json").read_bytes())
    plain["features"][-1]["text"] = text
    rewrite(folder, "features.json", msgspec.json.encode(plain))
    with pytest.raises(BundleError, match=r"the text of feature 'card_attempts_1h' must be"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held + b"\n",
        lambda held: held.replace(b"\n ", b"\n  ", 1),
        lambda held: held.replace(b'"format": 2', b'"format": 2, "format": 2'),
        lambda held: held.replace(b'"format"', b'"\\u0066ormat"'),
    ],
)
def test_a_manifest_has_one_form_of_bytes(folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = folder / "manifest.json"
    held = path.read_bytes()
    path.write_bytes(change(held))
    assert path.read_bytes() != held
    with pytest.raises(BundleError, match=r"manifest\.json must be as fraudkit writes it"):
        load_bundle(folder)


def test_a_file_that_is_too_long_is_refused_before_it_is_read_whole(folder: Path) -> None:
    with (folder / "policy.toml").open("r+b") as file:
        file.truncate(2**40)  # a hole: it takes no room
    with pytest.raises(
        BundleError, match=r"policy\.toml must be a plain file of at most 1,048,576"
    ):
        load_bundle(folder)


def test_a_model_of_other_columns_is_refused(folder: Path) -> None:
    text = (folder / "model.txt").read_bytes().replace(b"amount", b"volume")
    rewrite(folder, "model.txt", text)
    with pytest.raises(BundleError, match=r"model\.txt must have the columns of features\.json"):
        load_bundle(folder)


def test_rows_score_the_same_before_and_after(folder: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "second", CONTENT)
    first, second = load_bundle(folder).scorer, load_bundle(tmp_path / "second").scorer
    assert first.score_many(ROWS).tolist() == second.score_many(ROWS).tolist()

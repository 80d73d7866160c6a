"""The bundle: a folder of text files that is everything a decision needs.

Invariant: no byte is parsed before its SHA-256 digest equals the manifest's, and the folder
holds what the manifest lists and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.domain.money import RateTable, RateTableFile
from fraudkit.errors import BundleError
from fraudkit.features.catalog import feature_set
from fraudkit.features.spec import FeatureSet, OrderFeature
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.model_text import parse_model_text

__all__ = [
    "FORMAT",
    "MANIFEST",
    "Bundle",
    "BundleContent",
    "Manifest",
    "check_writable",
    "load_bundle",
    "resolve_bundle",
    "write_bundle",
]

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_FILES: Final = (
    "calibration.json",
    "card.md",
    "features.json",
    "model.txt",
    "policy.toml",
    "rates.json",
    "reference.json",
    "training.json",
)
_FILE_BYTES_MAX: Final = 256 * 1024 * 1024


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bundle holds.

    Attributes
    ----------
    format : int
        Of the folder; this version reads 1.
    features : str
        Digest of the feature set.
    libraries : dict[str, str]
        Versions that made it.
    files : dict[str, str]
        File name → SHA-256.
    """

    format: int
    features: str
    libraries: dict[str, str]
    files: dict[str, str]


class BundleContent(Struct, frozen=True, kw_only=True):
    """What goes into a bundle; see `Bundle` for the meaning.

    Attributes
    ----------
    model_text : str
        LightGBM's text model.
    reference : ndarray of float64, shape (n_features,)
        A typical approved order.
    card : str
        The model card, Markdown.
    libraries : dict[str, str]
        Versions that made it.
    """

    model_text: str
    features: FeatureSet
    calibration: Calibration
    reference: NDArray[np.float64]
    rates: RateTable
    policy_text: str
    training: dict[str, Any]
    card: str
    libraries: dict[str, str]


class Bundle(Struct, frozen=True, kw_only=True):
    """A bundle in memory.

    Attributes
    ----------
    version : str
        First 16 hexadecimal digits of the manifest's SHA-256: the content's own name.
    reference : ndarray of float64, shape (n_features,)
        A typical approved order: what the scorer's Shapley values are held against.
    policy_text : str
        ``policy.toml`` as it stands; `fraudkit.decisions.policy` reads it.
    training : dict
        How it was trained and measured, for people.
    """

    version: str
    manifest: Manifest
    features: FeatureSet
    scorer: TreeScorer
    reference: NDArray[np.float64]
    calibration: Calibration
    rates: RateTable
    policy_text: str
    training: dict[str, Any]


def write_bundle(folder: Path, content: BundleContent) -> str:
    """Write a bundle and return its version; the same content gives the same bytes.

    The folder must not exist, or be a bundle, which is replaced.

    Raises
    ------
    BundleError
        If the folder holds something else.
    """
    row = content.reference.tolist()
    files = {
        "calibration.json": _json(content.calibration),
        "card.md": content.card.encode(),
        "features.json": _json(content.features.describe()),
        "model.txt": content.model_text.encode(),
        "policy.toml": content.policy_text.encode(),
        "rates.json": _json(content.rates.file),
        "reference.json": _json([None if isnan(value) else value for value in row]),
        "training.json": _json(content.training),
    }
    manifest = Manifest(
        format=FORMAT,
        features=content.features.digest,
        libraries=content.libraries,
        files={name: hashlib.sha256(held).hexdigest() for name, held in files.items()},
    )
    check_writable(folder)
    encoded = _json(manifest)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name, held in files.items():
            (folder / name).write_bytes(held)
        (folder / MANIFEST).write_bytes(encoded)
    except OSError as error:
        raise BundleError(f"{folder} must be a folder that can be written: {error}") from error
    return hashlib.sha256(encoded).hexdigest()[:16]


def check_writable(folder: Path) -> None:
    """Raise `BundleError` unless the folder is new, empty or a bundle that may be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BundleError(f"{folder} must be a folder, it is a file: choose another --out")
    held = {entry.name for entry in folder.iterdir()}
    if held - set(_FILES) - {MANIFEST}:
        raise BundleError(
            f"{folder} must be new or a bundle; it holds {sorted(held)[:3]}: choose another --out"
        )


def resolve_bundle(path: Path) -> Path:
    """Return the bundle's folder; a file names a folder beside it (``models/current``).

    Raises
    ------
    BundleError
        If there is nothing, or the name leads out of the folder.
    """
    try:
        if path.is_dir():
            return path
        name = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            f"{path} must be a bundle's folder or a file that names one; "
            "make one with `fraudkit train`"
        ) from error
    if not name or name in {".", ".."} or Path(name).name != name or "\0" in name:
        raise BundleError(f"{path} must hold the name of a folder beside it, got {name[:80]!r}")
    return path.parent / name


def load_bundle(path: Path, own_features: Iterable[OrderFeature] = ()) -> Bundle:
    """Return a bundle, every file checked against the manifest first.

    Parameters
    ----------
    own_features : iterable of OrderFeature
        The features of the user's own classes that the bundle was trained with: code that no
        file holds. Expressions need not be named.

    Raises
    ------
    BundleError
        Naming the file that is missing, extra, altered or does not hold together.
    """
    folder = resolve_bundle(path)
    encoded = _read(folder, MANIFEST)
    with _parsing(folder / MANIFEST):
        manifest = msgspec.json.decode(encoded, type=Manifest)
    if manifest.format != FORMAT:
        raise BundleError(f"{folder}: format must be {FORMAT}, got {manifest.format}")
    contents = _checked_contents(folder, manifest)
    try:
        return _assemble(hashlib.sha256(encoded).hexdigest()[:16], manifest, contents, own_features)
    except BundleError as error:
        raise BundleError(f"{folder}: {error}") from error


def _checked_contents(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    if set(manifest.files) != set(_FILES):
        odd = sorted(set(manifest.files) ^ set(_FILES))
        raise BundleError(f"{folder}: the manifest must list the files of a bundle; see {odd}")
    extra = {entry.name for entry in folder.iterdir()} - set(_FILES) - {MANIFEST}
    if extra:
        raise BundleError(f"{folder} must hold the files of a bundle only, got {sorted(extra)}")
    contents = {name: _read(folder, name) for name in _FILES}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise BundleError(f"{folder / name} is not the file that the manifest was made for")
    return contents


def _assemble(
    version: str,
    manifest: Manifest,
    contents: dict[str, bytes],
    own_features: Iterable[OrderFeature],
) -> Bundle:
    features = _features(contents, manifest, own_features)
    with _parsing("model.txt"):
        trees, names = parse_model_text(contents["model.txt"].decode())
    if names != features.names:
        raise BundleError("model.txt must have the columns of features.json, in the same order")
    reference = _reference(contents, len(names))
    with _parsing("calibration.json"):
        calibration = msgspec.json.decode(contents["calibration.json"], type=Calibration)
    with _parsing("rates.json"):
        rates = RateTable(msgspec.json.decode(contents["rates.json"], type=RateTableFile))
    with _parsing("policy.toml"):
        policy_text = contents["policy.toml"].decode()
    with _parsing("training.json"):
        training = msgspec.json.decode(contents["training.json"], type=dict[str, Any])
    return Bundle(
        version=version,
        manifest=manifest,
        features=features,
        scorer=TreeScorer(trees, reference),
        reference=reference,
        calibration=calibration,
        rates=rates,
        policy_text=policy_text,
        training=training,
    )


def _features(
    contents: dict[str, bytes], manifest: Manifest, own_features: Iterable[OrderFeature]
) -> FeatureSet:
    with _parsing("features.json"):
        described = msgspec.json.decode(contents["features.json"], type=dict[str, Any])
        features = feature_set(described, own_features)
    if features.digest != manifest.features:
        raise BundleError("features.json must have the digest that the manifest gives")
    return features


def _reference(contents: dict[str, bytes], n_features: int) -> NDArray[np.float64]:
    with _parsing("reference.json"):
        values = msgspec.json.decode(contents["reference.json"], type=list[float | None])
    if len(values) != n_features:
        raise BundleError(f"reference.json must have {n_features} values, one a feature")
    return np.array([np.nan if value is None else value for value in values], np.float64)


@contextmanager
def _parsing(name: str | Path) -> Iterator[None]:
    """Say of anything that goes wrong in reading a file which file it is."""
    try:
        yield
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise BundleError(f"{name} does not hold together: {error!r}") from error


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if path.is_symlink() or path.stat().st_size > _FILE_BYTES_MAX:
            raise BundleError(f"{path} must be a plain file of at most {_FILE_BYTES_MAX} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} must be readable: {error.strerror}") from error


def _json(value: object) -> bytes:
    encoded = msgspec.json.encode(value, order="deterministic")
    return msgspec.json.format(encoded, indent=1) + b"\n"

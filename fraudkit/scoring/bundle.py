"""The bundle: a folder of text files that is everything a decision needs.

Invariant: a `Bundle` in memory scores any row without an error; whatever a folder holds, it is
read as one or refused with a `BundleError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from math import isnan
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.domain.money import RateTable, RateTableFile
from fraudkit.errors import BundleError, ModelNotSupported
from fraudkit.features.catalog import feature_set
from fraudkit.features.spec import FeatureSet, OrderFeature
from fraudkit.features.text_checks import check_texts
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.durable_files import read_plain, replace_file, replace_folder
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.manifest import (
    FILES,
    MANIFEST,
    SIGNATURE,
    CheckedFiles,
    Manifest,
    encoded_json,
    manifest_of,
    read_checked,
    version_of,
)
from fraudkit.scoring.scorer import Scorer
from fraudkit.scoring.signature import TrustedKeys, signature_of
from fraudkit.scoring.trees.model_text import parse_model_text

__all__ = [
    "Bundle",
    "BundleContent",
    "assemble",
    "check_writable",
    "load_bundle",
    "resolve_bundle",
    "sign_bundle",
    "write_bundle",
]

_FEATURES_MAX: Final = 10_000
_ENTITIES_MAX: Final = 100
_NAME_BYTES_MAX: Final = 4096


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
    search: Sequence[dict[str, Any]] = ()


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
    search : tuple of dict
        The search for the settings, one row a trial.
    libraries : dict[str, str]
        Versions of what made it.
    card : str
        The model card, Markdown.
    signed_by : str or None
        The id of the trusted key that signed it; ``None`` where no signature was asked for.
    """

    version: str
    manifest: Manifest
    features: FeatureSet
    scorer: Scorer
    reference: NDArray[np.float64]
    calibration: Calibration
    rates: RateTable
    policy_text: str
    training: dict[str, Any]
    search: tuple[dict[str, Any], ...]
    libraries: dict[str, str]
    card: str
    signed_by: str | None


def write_bundle(folder: Path, content: BundleContent) -> str:
    """Write a bundle and return its version; the same content gives the same bytes.

    The folder must not exist, or be a bundle, which is replaced. The files are written to a
    folder beside it, which takes its place when all of them are on the disk, so a process that
    ends in between leaves the old bundle or the new one. A signature is not carried over.

    Raises
    ------
    BundleError
        If the folder holds something else.
    """
    row = content.reference.tolist()
    files = {
        "calibration.json": encoded_json(content.calibration),
        "card.md": content.card.encode(),
        "features.json": encoded_json(content.features.describe()),
        "libraries.json": encoded_json(content.libraries),
        "model.txt": content.model_text.encode(),
        "policy.toml": content.policy_text.encode(),
        "rates.json": encoded_json(content.rates.file),
        "reference.json": encoded_json([None if isnan(value) else value for value in row]),
        "search.json": encoded_json(content.search),
        "training.json": encoded_json(content.training),
    }
    manifest = manifest_of(files, content.features.digest)
    check_writable(folder)
    try:
        replace_folder(folder, {**files, MANIFEST: manifest})
    except OSError as error:
        raise BundleError(f"{folder} must be a folder that can be written: {error}") from error
    return version_of(manifest)


def check_writable(folder: Path) -> None:
    """Raise `BundleError` unless the folder is new, empty or a bundle that may be replaced."""
    try:
        if not folder.exists() and not folder.is_symlink():
            return
        if folder.is_symlink() or not folder.is_dir():
            what = "link" if folder.is_symlink() else "file"
            raise BundleError(f"{folder} must be a folder, it is a {what}: choose another --out")
        held = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise BundleError(f"{folder} must be a folder that can be written: {error}") from error
    if held - set(FILES) - {MANIFEST, SIGNATURE}:
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
        name = read_plain(path, _NAME_BYTES_MAX).decode().strip()
    except (BundleError, OSError, ValueError) as error:
        raise BundleError(
            f"{path} must be a bundle's folder or a file that names one; "
            "make one with `fraudkit train`"
        ) from error
    if not name or name in {".", ".."} or Path(name).name != name or "\0" in name:
        raise BundleError(f"{path} must hold the name of a folder beside it, got {name[:80]!r}")
    return path.parent / name


def load_bundle(
    path: Path,
    own_features: Iterable[OrderFeature] = (),
    *,
    trusted_keys: TrustedKeys | None = None,
    unsupported: Literal["refuse", "lightgbm"] = "refuse",
) -> Bundle:
    """Return a bundle, every file checked against the manifest first.

    Parameters
    ----------
    own_features : iterable of OrderFeature
        The features of the user's own classes that the bundle was trained with: code that no
        file holds. Expressions need not be named.
    trusted_keys : TrustedKeys, optional
        Then a bundle that none of them signed is refused, before anything but the manifest and
        its signature is read; see `fraudkit.scoring.signature.trusted_keys`.
    unsupported : {"refuse", "lightgbm"}
        What to do with a model of a kind that the kernel does not score, such as linear trees:
        refuse it, or let LightGBM score it, slower and explained by another game (see
        `fraudkit.scoring.trees.lightgbm_scorer.LightgbmScorer`). LightGBM's parser is not safe on
        text made to harm: say "lightgbm" only of bundles of your own or signed by a key you trust.

    Raises
    ------
    BundleError
        Naming the file that is missing, extra, altered, unsigned or does not hold together.
    ModelNotSupported
        If the model is of a kind that is to be refused.
    """
    folder = resolve_bundle(path)
    files = read_checked(folder, trusted_keys)
    try:
        return assemble(files, own_features, unsupported=unsupported)
    except BundleError as error:
        raise type(error)(f"{folder}: {error}") from error


def sign_bundle(path: Path, private_key_path: Path) -> str:
    """Sign a bundle and return the key's id; a signature that is there is replaced.

    The version stays: it is the manifest's hash, and the signature stands beside the manifest.

    Parameters
    ----------
    private_key_path : Path
        An unencrypted PKCS #8 PEM file, as `fraudkit.scoring.signature.make_key_pair` writes it.

    Raises
    ------
    BundleError
        If a file is altered, or the signature cannot be written.
    InputError
        If the key cannot be read.
    """
    folder = resolve_bundle(path)
    signature = signature_of(read_checked(folder).encoded_manifest, private_key_path)
    try:
        replace_file(folder / SIGNATURE, signature.encode())
    except OSError as error:
        raise BundleError(f"{folder} must be a folder that can be written: {error}") from error
    return signature.key


def assemble(
    files: CheckedFiles,
    own_features: Iterable[OrderFeature] = (),
    *,
    unsupported: Literal["refuse", "lightgbm"] = "refuse",
) -> Bundle:
    """Return the bundle that checked files hold; see `load_bundle`.

    Raises
    ------
    BundleError
        Naming the file that does not hold together.
    """
    contents = files.contents
    features = _features(files, own_features)
    reference = _reference(contents, len(features.names))
    scorer = _scorer(contents, features.names, reference, unsupported)
    with _parsing("calibration.json"):
        calibration = msgspec.json.decode(contents["calibration.json"], type=Calibration)
    with _parsing("rates.json"):
        rates = RateTable(msgspec.json.decode(contents["rates.json"], type=RateTableFile))
    with _parsing("policy.toml"):
        policy_text = contents["policy.toml"].decode()
    with _parsing("search.json"):
        search = msgspec.json.decode(contents["search.json"], type=tuple[dict[str, Any], ...])
    with _parsing("libraries.json"):
        libraries = msgspec.json.decode(contents["libraries.json"], type=dict[str, str])
    with _parsing("card.md"):
        card = contents["card.md"].decode()
    return Bundle(
        version=files.version,
        manifest=files.manifest,
        features=features,
        scorer=scorer,
        reference=reference,
        calibration=calibration,
        rates=rates,
        policy_text=policy_text,
        training=_training(contents),
        search=search,
        libraries=libraries,
        card=card,
        signed_by=files.signed_by,
    )


def _scorer(
    contents: dict[str, bytes],
    names: tuple[str, ...],
    reference: NDArray[np.float64],
    unsupported: Literal["refuse", "lightgbm"],
) -> Scorer:
    with _parsing("model.txt"):
        text = contents["model.txt"].decode()
    scorer: Scorer
    try:
        trees, found = parse_model_text(text)
        if found == names:
            scorer = TreeScorer(trees, reference)
    except ModelNotSupported as error:
        if unsupported == "refuse":
            raise ModelNotSupported(
                f'{error}; of a bundle of your own, load_bundle(..., unsupported="lightgbm") '
                "lets LightGBM score it"
            ) from error
        # By name, so that the request path does not load LightGBM.
        slower = import_module("fraudkit.scoring.trees.lightgbm_scorer").LightgbmScorer(text)
        scorer, found = slower, slower.feature_names
    if found != names:
        raise BundleError("model.txt must have the columns of features.json, in the same order")
    return scorer


def _features(files: CheckedFiles, own_features: Iterable[OrderFeature]) -> FeatureSet:
    with _parsing("features.json"):
        described = msgspec.json.decode(files.contents["features.json"], type=dict[str, Any])
        for name, most in (("features", _FEATURES_MAX), ("entities", _ENTITIES_MAX)):
            if len(described[name]) > most:
                raise ValueError(f"{name} must be at most {most:,}, got {len(described[name]):,}")
        features = feature_set(described, own_features)
        check_texts(features.features)
    if features.digest != files.manifest.features:
        raise BundleError("features.json must have the digest that the manifest gives")
    return features


def _reference(contents: dict[str, bytes], n_features: int) -> NDArray[np.float64]:
    with _parsing("reference.json"):
        values = msgspec.json.decode(contents["reference.json"], type=list[float | None])
    if len(values) != n_features:
        raise BundleError(f"reference.json must have {n_features} values, one a feature")
    return np.array([np.nan if value is None else value for value in values], np.float64)


class _ReadLater(Struct):
    """What is read of ``training.json`` when orders are decided: the sources of derived fields."""

    sources: dict[str, str] = {}


def _training(contents: dict[str, bytes]) -> dict[str, Any]:
    with _parsing("training.json"):
        training = msgspec.json.decode(contents["training.json"], type=dict[str, Any])
        msgspec.convert(training, _ReadLater)
    return training


@contextmanager
def _parsing(name: str) -> Iterator[None]:
    """Say of anything that goes wrong in reading a file which file it is."""
    try:
        yield
    except BundleError:
        raise
    except (
        ArithmeticError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
        msgspec.MsgspecError,
    ) as error:
        raise BundleError(f"{name} does not hold together: {error!r}") from error

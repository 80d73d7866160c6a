"""The manifest of a bundle: which files, each with its SHA-256, and reading no other.

Invariant: nothing of a bundle is parsed before its digest equals the manifest's; of the manifest
itself there is one form of bytes only, and everything in it is held against the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from os import scandir
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from fraudkit.errors import BundleError
from fraudkit.scoring.durable_files import read_plain
from fraudkit.scoring.signature import TrustedKeys

__all__ = [
    "FILES",
    "FORMAT",
    "MANIFEST",
    "SIGNATURE",
    "CheckedFiles",
    "Manifest",
    "encoded_json",
    "manifest_of",
    "read_checked",
    "version_of",
]

FORMAT: Final = 2
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "signature.json"
_SMALL: Final = 16 * 1024 * 1024
FILES: Final[Mapping[str, int]] = {
    "calibration.json": _SMALL,
    "card.md": _SMALL,
    "features.json": _SMALL,
    "libraries.json": _SMALL,
    "model.txt": 256 * 1024 * 1024,
    "policy.toml": 1024 * 1024,
    "rates.json": _SMALL,
    "reference.json": _SMALL,
    "search.json": _SMALL,
    "training.json": _SMALL,
}
"""Every file that a manifest lists, and the most bytes it may have."""
_MANIFEST_BYTES_MAX: Final = 64 * 1024
_SIGNATURE_BYTES_MAX: Final = 4 * 1024


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bundle holds.

    Attributes
    ----------
    format : int
        Of the folder; this version reads 2.
    features : str
        Digest of the feature set.
    files : dict[str, str]
        File name → SHA-256.
    """

    format: int
    features: str
    files: dict[str, str]


class CheckedFiles(NamedTuple):
    """The files of a bundle as bytes, each of which has the digest that the manifest gives.

    Attributes
    ----------
    version : str
        See `version_of`.
    contents : dict[str, bytes]
        By file name, without the manifest and the signature.
    encoded_manifest : bytes
        ``manifest.json`` as it stands.
    encoded_signature : bytes or None
        ``signature.json`` as it stands, where there is one.
    signed_by : str or None
        The id of the trusted key that signed it; ``None`` where no signature was asked for.
    """

    version: str
    manifest: Manifest
    contents: dict[str, bytes]
    encoded_manifest: bytes
    encoded_signature: bytes | None
    signed_by: str | None

    def as_files(self) -> dict[str, bytes]:
        """Return all files of the folder, with manifest and signature."""
        files = {**self.contents, MANIFEST: self.encoded_manifest}
        if self.encoded_signature is not None:
            files[SIGNATURE] = self.encoded_signature
        return files


def manifest_of(files: Mapping[str, bytes], features_digest: str) -> bytes:
    """Return the bytes of the manifest of these files."""
    digests = {name: hashlib.sha256(held).hexdigest() for name, held in files.items()}
    return encoded_json(Manifest(format=FORMAT, features=features_digest, files=digests))


def version_of(encoded_manifest: bytes) -> str:
    """Return a bundle's version: the first 16 hexadecimal digits of its manifest's SHA-256."""
    return hashlib.sha256(encoded_manifest).hexdigest()[:16]


def encoded_json(value: object) -> bytes:
    """Return the one form in which a bundle holds a value: keys in order, one a line."""
    encoded = msgspec.json.encode(value, order="deterministic")
    return msgspec.json.format(encoded, indent=1) + b"\n"


def read_checked(folder: Path, trusted: TrustedKeys | None = None) -> CheckedFiles:
    """Read a bundle's files and hold each against the manifest; parse none but the manifest.

    Parameters
    ----------
    trusted : TrustedKeys, optional
        Then the manifest must be signed by one of them, before any other file is read.

    Raises
    ------
    BundleError
        Naming the file that is missing, extra, altered, unsigned or wrongly signed.
    """
    if folder.is_symlink():
        raise BundleError(f"{folder} must be a folder, it is a link: name the folder itself")
    encoded = read_plain(folder / MANIFEST, _MANIFEST_BYTES_MAX)
    signature = _signature(folder, is_asked_for=trusted is not None)
    signed_by = None
    if trusted is not None and signature is not None:
        try:
            signed_by = trusted.verify(encoded, signature)
        except BundleError as error:
            raise BundleError(f"{folder}: {error}") from error
    manifest = _manifest(folder, encoded)
    _refuse_extra(folder)
    contents = {name: read_plain(folder / name, most) for name, most in FILES.items()}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise BundleError(f"{folder / name} is not the file that the manifest was made for")
    return CheckedFiles(version_of(encoded), manifest, contents, encoded, signature, signed_by)


def _manifest(folder: Path, encoded: bytes) -> Manifest:
    path = folder / MANIFEST
    try:
        found = msgspec.json.decode(encoded, type=_Format).format
        if found != FORMAT:
            raise BundleError(f"{path}: format must be {FORMAT}, got {found}; train again")
        manifest = msgspec.json.decode(encoded, type=Manifest)
        if set(manifest.files) != set(FILES):
            odd = sorted(set(manifest.files) ^ set(FILES))[:10]
            raise BundleError(f"{path} must list the files of a bundle; see {odd}")
        canonical = encoded_json(manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} does not hold together: {error!r}") from error
    if encoded != canonical:
        raise BundleError(f"{path} must be as fraudkit writes it; it is altered")
    return manifest


class _Format(Struct):
    """The part of a manifest that every format has."""

    format: int


def _signature(folder: Path, *, is_asked_for: bool) -> bytes | None:
    path = folder / SIGNATURE
    if not path.exists() and not path.is_symlink():
        if is_asked_for:
            raise BundleError(
                f"{path} must be there: only signed bundles are taken; sign it with "
                "`fraudkit models sign`"
            )
        return None
    return read_plain(path, _SIGNATURE_BYTES_MAX)


def _refuse_extra(folder: Path) -> None:
    known = {*FILES, MANIFEST, SIGNATURE}
    try:
        with scandir(folder) as entries:
            extra = next((entry.name for entry in entries if entry.name not in known), None)
    except OSError as error:
        raise BundleError(f"{folder} must be a folder that can be read: {error}") from error
    if extra is not None:
        raise BundleError(f"{folder} must hold the files of a bundle only, got {extra!r}")

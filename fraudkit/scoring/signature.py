"""Signatures: who made a bundle, told by an Ed25519 key.

The digests of the manifest tell that a bundle is whole; a signature over the manifest's bytes
tells that somebody who holds the private key vouched for it. Needs the package ``cryptography``
(``pip install 'fraudkit[signing]'``), which is loaded when a key is read.
"""

from __future__ import annotations

import base64
import hashlib
import os
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from fraudkit.errors import BundleError, InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

__all__ = ["Signature", "TrustedKeys", "key_id", "make_key_pair", "signature_of", "trusted_keys"]

_DOMAIN: Final = b"fraudkit bundle manifest 1\n"
"""Comes before the manifest, so that a signature of anything else is not taken for one."""
_KEY_BYTES_MAX: Final = 16 * 1024
_KEYS_MAX: Final = 1000


class Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of ``signature.json``.

    Attributes
    ----------
    key : str
        See `key_id`.
    signature : str
        Ed25519 (RFC 8032) over a line ``fraudkit bundle manifest 1`` and the manifest's bytes,
        in base64.
    """

    key: str
    signature: str

    def encode(self) -> bytes:
        """Return the bytes of the file; nothing else is taken for this signature."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


class TrustedKeys:
    """Public keys whose signature a bundle must have; see `trusted_keys`.

    Parameters
    ----------
    keys : mapping of str to Ed25519PublicKey
        By `key_id`.
    origin : str
        Where they came from, for messages.
    """

    __slots__ = ("_keys", "origin")

    def __init__(self, keys: Mapping[str, Ed25519PublicKey], origin: str) -> None:
        self._keys = dict(keys)
        self.origin = origin

    @property
    def ids(self) -> tuple[str, ...]:
        """The keys' names, ascending."""
        return tuple(sorted(self._keys))

    def verify(self, manifest: bytes, encoded: bytes) -> str:
        """Return the id of the key that signed a manifest.

        Parameters
        ----------
        manifest, encoded : bytes
            The files ``manifest.json`` and ``signature.json`` as they stand.

        Raises
        ------
        BundleError
            If the signature cannot be read, is by another key, or of another manifest.
        """
        from cryptography.exceptions import InvalidSignature

        try:
            found = msgspec.json.decode(encoded, type=Signature)
            raw = base64.b64decode(found.signature, validate=True)
        except (msgspec.MsgspecError, Base64Error, ValueError, RecursionError) as error:
            raise BundleError(f"signature.json does not hold together: {error}") from error
        if encoded != found.encode() or base64.b64encode(raw).decode() != found.signature:
            raise BundleError("signature.json must be as `fraudkit models sign` writes it")
        key = self._keys.get(found.key)
        if key is None:
            raise BundleError(
                f"signature.json must be by a trusted key, {', '.join(self.ids)} of {self.origin}; "
                f"it names {found.key[:40]!r}"
            )
        try:
            key.verify(raw, _DOMAIN + manifest)
        except InvalidSignature as error:
            raise BundleError(
                f"signature.json is not what key {found.key} signed this manifest with; the "
                "bundle is altered, or was made anew: sign it again"
            ) from error
        return found.key


def trusted_keys(path: Path) -> TrustedKeys:
    """Return the public keys of a PEM file, or of the ``*.pem`` files of a folder.

    Raises
    ------
    InputError
        If there is none, or one cannot be read.
    """
    try:
        files = sorted(path.glob("*.pem"))[: _KEYS_MAX + 1] if path.is_dir() else [path]
    except OSError as error:
        raise InputError(f"{path} must be a readable folder of public keys: {error}") from error
    if not 1 <= len(files) <= _KEYS_MAX:
        raise InputError(
            f"{path} must hold 1 to {_KEYS_MAX} public keys as *.pem, got {len(files)}"
        )
    keys = [_public_key(file) for file in files]
    return TrustedKeys({key_id(key): key for key in keys}, str(path))


def key_id(key: Ed25519PublicKey) -> str:
    """Return a key's name: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def signature_of(manifest: bytes, private_key_path: Path) -> Signature:
    """Sign a manifest.

    Parameters
    ----------
    manifest : bytes
        As it stands in the file.
    private_key_path : Path
        An unencrypted PKCS #8 PEM file.

    Raises
    ------
    InputError
        If the key cannot be read.
    """
    key = _private_key(private_key_path)
    return Signature(
        key=key_id(key.public_key()),
        signature=base64.b64encode(key.sign(_DOMAIN + manifest)).decode(),
    )


def make_key_pair(private_key_path: Path, public_key_path: Path) -> str:
    """Write a new key pair as PEM files and return its `key_id`.

    The private key is written with mode 0600 and is not encrypted: keep it where your other
    secrets are.

    Raises
    ------
    InputError
        If one of the files exists, or cannot be written.
    """
    _require_cryptography()
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    secret = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    shown = public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    _write_new(private_key_path, secret, 0o600)
    _write_new(public_key_path, shown, 0o644)
    return key_id(public)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    except OSError as error:
        raise InputError(f"{path} must be a new file: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _public_key(path: Path) -> Ed25519PublicKey:
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = _read_key(path, "public", load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} must be an Ed25519 public key, it is of another kind")
    return key


def _private_key(path: Path) -> Ed25519PrivateKey:
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = _read_key(path, "private", lambda pem: load_pem_private_key(pem, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} must be an Ed25519 private key, it is of another kind")
    return key


def _read_key(path: Path, kind: str, load: Callable[[bytes], object]) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        with path.open("rb") as file:
            return load(file.read(_KEY_BYTES_MAX))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{path} must be an unencrypted Ed25519 {kind} key in PEM; "
            "`fraudkit models keygen` makes one"
        ) from error


def _require_cryptography() -> None:
    if find_spec("cryptography") is None:
        raise InputError("signatures need the package cryptography; install fraudkit[signing]")

"""Signatures: who made a bundle is told by a key, and by nothing else."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from fraudkit.errors import BundleError, InputError
from fraudkit.scoring import signature as module
from fraudkit.scoring.bundle import load_bundle, sign_bundle, write_bundle
from fraudkit.scoring.manifest import MANIFEST, SIGNATURE
from fraudkit.scoring.signature import (
    Signature,
    make_key_pair,
    signature_of,
    trusted_keys,
)
from tests.scoring.mutations import content


class Keys(NamedTuple):
    secret: Path
    public: Path
    id: str


def made_keys(folder: Path, name: str) -> Keys:
    secret, public = folder / f"{name}.secret", folder / f"{name}.pem"
    return Keys(secret, public, make_key_pair(secret, public))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return made_keys(tmp_path_factory.mktemp("keys"), "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return made_keys(tmp_path_factory.mktemp("their-keys"), "theirs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", content())
    return tmp_path / "bundle"


def test_a_signed_bundle_is_taken_and_says_by_whom(folder: Path, keys: Keys) -> None:
    version = load_bundle(folder).version
    assert sign_bundle(folder, keys.secret) == keys.id
    loaded = load_bundle(folder, trusted_keys=trusted_keys(keys.public))
    assert (loaded.signed_by, loaded.version) == (keys.id, version)
    assert load_bundle(folder).signed_by is None


def test_the_same_manifest_and_key_give_the_same_signature(folder: Path, keys: Keys) -> None:
    sign_bundle(folder, keys.secret)
    first = (folder / SIGNATURE).read_bytes()
    sign_bundle(folder, keys.secret)
    assert (folder / SIGNATURE).read_bytes() == first


def test_any_key_of_a_folder_is_trusted(folder: Path, keys: Keys, theirs: Keys) -> None:
    both = folder.parent / "trusted"
    both.mkdir()
    for number, each in enumerate((keys, theirs)):
        (both / f"{number}.pem").write_bytes(each.public.read_bytes())
    trusted = trusted_keys(both)
    assert trusted.ids == tuple(sorted([keys.id, theirs.id]))
    for each in (keys, theirs):
        sign_bundle(folder, each.secret)
        assert load_bundle(folder, trusted_keys=trusted).signed_by == each.id


def test_an_unsigned_bundle_is_refused_where_a_signature_is_asked_for(
    folder: Path, keys: Keys
) -> None:
    with pytest.raises(BundleError, match=r"signature\.json must be there: only signed bundles"):
        load_bundle(folder, trusted_keys=trusted_keys(keys.public))


def test_a_signature_by_another_key_is_refused(folder: Path, keys: Keys, theirs: Keys) -> None:
    sign_bundle(folder, theirs.secret)
    with pytest.raises(BundleError, match=f"must be by a trusted key, {keys.id} of .*{theirs.id}"):
        load_bundle(folder, trusted_keys=trusted_keys(keys.public))


def test_a_signature_that_names_our_key_and_is_by_another_is_refused(
    folder: Path, keys: Keys, theirs: Keys
) -> None:
    forged = signature_of((folder / MANIFEST).read_bytes(), theirs.secret)
    (folder / SIGNATURE).write_bytes(Signature(key=keys.id, signature=forged.signature).encode())
    with pytest.raises(BundleError, match="is not what key"):
        load_bundle(folder, trusted_keys=trusted_keys(keys.public))


def test_a_signature_of_another_bundle_is_refused(folder: Path, keys: Keys) -> None:
    sign_bundle(folder, keys.secret)
    signed = (folder / SIGNATURE).read_bytes()
    write_bundle(folder, msgspec.structs.replace(content(), card="another"))
    assert not (folder / SIGNATURE).exists()
    (folder / SIGNATURE).write_bytes(signed)
    with pytest.raises(BundleError, match=r"is not what key .* signed this manifest with"):
        load_bundle(folder, trusted_keys=trusted_keys(keys.public))


def test_a_signature_of_the_bare_manifest_is_not_taken(folder: Path, keys: Keys) -> None:
    manifest = (folder / MANIFEST).read_bytes()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(keys.secret.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    bare = base64.b64encode(key.sign(manifest)).decode()
    (folder / SIGNATURE).write_bytes(Signature(key=keys.id, signature=bare).encode())
    with pytest.raises(BundleError, match="is not what key"):
        load_bundle(folder, trusted_keys=trusted_keys(keys.public))


def test_nothing_but_manifest_and_signature_is_read_before_the_signature_is_right(
    folder: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fraudkit.scoring import manifest as reading

    read: list[str] = []
    plain = reading.read_plain

    def noting(path: Path, bytes_max: int) -> bytes:
        read.append(path.name)
        return plain(path, bytes_max)

    monkeypatch.setattr(reading, "read_plain", noting)
    (folder / SIGNATURE).write_bytes(Signature(key=keys.id, signature="AAAA").encode())
    with pytest.raises(BundleError, match="is not what key"):
        load_bundle(folder, trusted_keys=trusted_keys(keys.public))
    assert read == [MANIFEST, SIGNATURE]


@pytest.mark.parametrize(
    "held",
    [
        b"",
        b"{}",
        b"\xff",
        b"[" * 4000,
        b'{"key": "x", "signature": "*"}',
        b'{"key": "x", "signature": "AAA"}',
        b'{"key": "x", "signature": "AAAB", "more": 1}',
        b'{"key":"x","signature":"AAAA"}',
        b'{\n "key": "x",\n "signature": "AAB="\n}\n',
    ],
)
def test_what_is_no_signature_is_refused_by_name(folder: Path, keys: Keys, held: bytes) -> None:
    (folder / SIGNATURE).write_bytes(held)
    with pytest.raises(BundleError, match=r"signature\.json (does not hold|must be as)"):
        load_bundle(folder, trusted_keys=trusted_keys(keys.public))


def test_a_broken_bundle_is_not_signed(folder: Path, keys: Keys) -> None:
    (folder / "card.md").write_bytes(b"altered")
    with pytest.raises(BundleError, match=r"card\.md is not the file"):
        sign_bundle(folder, keys.secret)
    assert not (folder / SIGNATURE).exists()


def test_the_private_key_is_for_its_owner_alone_and_files_are_not_overwritten(
    tmp_path: Path,
) -> None:
    keys = made_keys(tmp_path, "a")
    assert keys.secret.stat().st_mode & 0o777 == 0o600
    before = keys.secret.read_bytes()
    with pytest.raises(InputError, match=r"a\.secret must be a new file"):
        made_keys(tmp_path, "a")
    assert keys.secret.read_bytes() == before


def test_what_is_no_key_is_refused_by_name(tmp_path: Path, keys: Keys) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    other = X25519PrivateKey.generate().public_key()
    (tmp_path / "x.pem").write_bytes(
        other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(InputError, match="an Ed25519 public key, it is of another kind"):
        trusted_keys(tmp_path / "x.pem")
    (tmp_path / "x.pem").write_bytes(b"-----BEGIN")
    with pytest.raises(InputError, match="must be an unencrypted Ed25519 public key in PEM"):
        trusted_keys(tmp_path)
    with pytest.raises(InputError, match="must be an unencrypted Ed25519 public key in PEM"):
        trusted_keys(keys.secret)
    with pytest.raises(InputError, match="must be an unencrypted Ed25519 private key in PEM"):
        signature_of(b"", keys.public)
    (tmp_path / "x.pem").unlink()
    with pytest.raises(InputError, match=r"must hold 1 to 1000 public keys as \*\.pem, got 0"):
        trusted_keys(tmp_path)


def test_without_the_package_it_is_said_what_to_install(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"install fraudkit\[signing\]"):
        trusted_keys(keys.public)

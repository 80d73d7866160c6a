"""10,000 mutated bundles: none crashes the process, and none that is not whole is loaded.

Three kinds. As it is: some file was changed and the manifest was not made again to fit; refused,
always. Signed: the manifest was made again, but whoever did it has no trusted key; refused,
always. Made to fit: the manifest was made again and no signature is asked for, so what holds
together is by construction another bundle; it is refused by name, or it decides every order.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fraudkit.errors import BundleError
from fraudkit.scoring.bundle import BundleContent, load_bundle, sign_bundle, write_bundle
from fraudkit.scoring.manifest import FILES, MANIFEST, SIGNATURE
from fraudkit.scoring.signature import TrustedKeys, make_key_pair, trusted_keys
from tests.architecture.files import ROOT
from tests.scoring.mutations import Files, content, mutated, refitted, write

CHUNKS = range(4)
AS_IT_IS, SIGNED, MADE_TO_FIT = 800, 700, 1000
"""Mutations in a chunk; all chunks together have 10,000."""


@pytest.fixture(scope="module")
def whole() -> BundleContent:
    return content()


@pytest.fixture
def folder(whole: BundleContent, tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", whole)
    return tmp_path / "bundle"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("keys")
    make_key_pair(made / "ours.secret", made / "ours.pem")
    return made


def files_of(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_refused(folder: Path, kept: Files, harmed: Files, trusted: TrustedKeys | None) -> None:
    """Check that a folder is refused while it holds the harmed files, and then put it back."""
    write(folder, harmed, kept)
    try:
        with pytest.raises(BundleError) as caught:
            load_bundle(folder, trusted_keys=trusted)
        assert any(name in str(caught.value) for name in (*FILES, MANIFEST, SIGNATURE))
    finally:
        write(folder, kept, harmed)


def test_there_are_ten_thousand() -> None:
    assert len(CHUNKS) * (AS_IT_IS + SIGNED + MADE_TO_FIT) == 10_000


@pytest.mark.parametrize("chunk", CHUNKS)
def test_no_change_is_loaded_where_the_manifest_stays(folder: Path, chunk: int) -> None:
    kept = files_of(folder)
    for number in range(AS_IT_IS):
        rng = np.random.default_rng((0, chunk, number))
        check_refused(folder, kept, mutated(kept, rng), None)
    load_bundle(folder)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_no_change_is_loaded_where_a_signature_is_asked_for(
    folder: Path, keys: Path, chunk: int
) -> None:
    sign_bundle(folder, keys / "ours.secret")
    trusted = trusted_keys(keys / "ours.pem")
    kept = files_of(folder)
    digest = load_bundle(folder).features.digest
    for number in range(SIGNED):
        rng = np.random.default_rng((1, chunk, number))
        harmed = mutated(kept, rng)
        is_about_content = any(harmed[name] != kept[name] for name in FILES)
        check_refused(
            folder, kept, refitted(harmed, digest) if is_about_content else harmed, trusted
        )
    assert load_bundle(folder, trusted_keys=trusted).signed_by == trusted.ids[0]


@pytest.mark.parametrize("chunk", CHUNKS)
def test_what_is_made_to_fit_is_refused_by_name_or_decides(folder: Path, chunk: int) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "tests.scoring.mutations"),
            *(str(chunk * MADE_TO_FIT), str(MADE_TO_FIT), str(folder)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout[-200:] + ended.stderr[-3000:]
    became = [line.split()[1] for line in ended.stdout.splitlines()]
    assert len(became) == MADE_TO_FIT
    assert became.count("refused") + became.count("decided") == MADE_TO_FIT
    assert became.count("refused") > MADE_TO_FIT / 3
    assert became.count("decided") > MADE_TO_FIT / 20

"""The registry on the file system: one folder a bundle, and a file that names the one in force.

Invariant: ``current`` names a bundle that was whole and decided an order when it was promoted,
whatever process ended when. Changes wait for each other on a lock file; readers need no lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from fraudkit.domain.decoding import decode_transaction
from fraudkit.engine import Engine
from fraudkit.errors import BundleError, FraudkitError
from fraudkit.features.spec import OrderFeature
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.registry.difference import Difference, difference
from fraudkit.registry.history import Change, Held, append_change, read_history, stack_of
from fraudkit.scoring.bundle import Bundle, assemble, resolve_bundle
from fraudkit.scoring.durable_files import locked, replace_file, replace_folder
from fraudkit.scoring.manifest import MANIFEST, SIGNATURE, CheckedFiles, read_checked
from fraudkit.scoring.signature import TrustedKeys
from fraudkit.stores.memory import MemoryStore

__all__ = ["CURRENT", "HISTORY", "Entry", "Registry"]

CURRENT: Final = "current"
HISTORY: Final = "history.ndjson"
_LOCK: Final = ".lock"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION: Final = re.compile(r"[0-9a-f]{16}")
_ORDER: Final = b"""{
  "transaction_id": "verification", "event_time": "2026-01-01T00:00:00Z",
  "order": {"amount_minor": 1000, "currency": "EUR"}}"""


class Entry(Struct, frozen=True, kw_only=True):
    """A bundle of a registry, as a list shows it: its digests hold, its trees were not read.

    Attributes
    ----------
    name : str
        Its folder.
    version : str
        ``""`` where it must not be used.
    is_current : bool
        Whether it is in force.
    has_signature : bool
        Whether a signature lies beside the manifest; not whether it is right.
    signed_by : str or None
        The trusted key that signed it, where trusted keys were given.
    training : dict
        ``training.json``; empty where it must not be used.
    problem : str
        Why it must not be used, or ``""``.
    """

    name: str
    version: str = ""
    is_current: bool = False
    has_signature: bool = False
    signed_by: str | None = None
    training: dict[str, Any] = {}
    problem: str = ""


class Registry:
    """The bundles of a folder, such as ``models``.

    Parameters
    ----------
    folder : Path
        Made by `add` where it is missing.
    trusted_keys : TrustedKeys, optional
        Then only what one of them signed is taken, shown or put in force.
    own_features : iterable of OrderFeature
        The features of the user's own classes that bundles were trained with.

    Examples
    --------
    >>> registry = Registry(Path("models"))
    >>> registry.current() in registry.names()
    True
    >>> registry.verify("current").version == registry.entry("current").version
    True
    """

    def __init__(
        self,
        folder: Path,
        *,
        trusted_keys: TrustedKeys | None = None,
        own_features: Iterable[OrderFeature] = (),
    ) -> None:
        self.folder = folder
        self._trusted = trusted_keys
        self._own = tuple(own_features)

    def names(self) -> tuple[str, ...]:
        """Return the bundles' folder names, ascending."""
        try:
            found = [entry.name for entry in self.folder.iterdir() if entry.is_dir()]
        except OSError as error:
            raise BundleError(
                f"{self.folder} must be a folder of bundles: {error.strerror}"
            ) from error
        return tuple(sorted(name for name in found if _NAME.fullmatch(name)))

    def current(self) -> str | None:
        """Return the name of the bundle that is in force, or ``None`` where none is yet.

        Raises
        ------
        BundleError
            If ``current`` names no folder beside it.
        """
        path = self.folder / CURRENT
        return resolve_bundle(path).name if path.exists() or path.is_symlink() else None

    def entries(self) -> tuple[Entry, ...]:
        """Return every bundle, also those that must not be used, by name."""
        names, current = self.names(), self.current()
        return tuple(self._entry(name, current) for name in names)

    def entry(self, name: str) -> Entry:
        """Return one bundle as a list shows it."""
        current = self.current()
        return self._entry(self.place(name).name, current)

    def verify(self, bundle: str | Path) -> Bundle:
        """Return a bundle that holds: digests, signature, contents, and it decides an order.

        Parameters
        ----------
        bundle : str or Path
            A name in the registry, ``"current"``, or the path of a folder elsewhere.

        Raises
        ------
        fraudkit.errors.FraudkitError
            Naming what does not hold.
        """
        folder = self.place(bundle)
        loaded = self._proved(folder, read_checked(folder, self._trusted))
        if isinstance(bundle, str) and _VERSION.fullmatch(folder.name):
            self._check_name(folder, loaded.version)
        return loaded

    def add(self, source: Path) -> str:
        """Take a bundle into the registry under its version, and return that.

        It is copied beside its place, on the disk, and moved there whole. One that is there
        already stays; its signature is taken over where it is another.

        Raises
        ------
        fraudkit.errors.FraudkitError
            Naming what does not hold of the bundle.
        """
        folder = resolve_bundle(source)
        files = read_checked(folder, self._trusted)
        self._proved(folder, files)
        place = self.folder / files.version
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BundleError(f"{self.folder} must be a folder: {error.strerror}") from error
        with self._changing():
            if not self._holds(place, files):
                replace_folder(place, files.as_files())
        return files.version

    def promote(
        self,
        name: str,
        *,
        now_ms: int,
        by: str,
        why: str = "",
        override: str = "",
        checks: dict[str, Any] | None = None,
        only_from: str | None = None,
    ) -> Change | None:
        """Put a bundle of the registry in force, after verifying it.

        Returns the change, or ``None`` where it is in force already. A service of this
        folder takes it while it runs.

        Parameters
        ----------
        now_ms : int
            UTC epoch milliseconds, for the history.
        by, why : str
            Who wants it and the reason, for the history.
        override, checks
            For the history; see `fraudkit.registry.history.Change`.
        only_from : str, optional
            The version that must still be in force.

        Raises
        ------
        fraudkit.errors.FraudkitError
            Naming what does not hold of the bundle, or what else is in force by now; then
            nothing is changed.
        """
        with self._changing():
            before = self._noted(now_ms)
            folder = self._member(name)
            if only_from is not None and (before is None or before.version != only_from):
                raise BundleError(
                    f"{self.folder / CURRENT} must still be version {only_from}, it is "
                    f"{None if before is None else before.version} by now; check the change "
                    "against that"
                )
            if before is not None and before.name == folder.name:
                return None
            after = Held(folder.name, self.verify(folder.name).version)
            change = _change("promote", before, after, now_ms=now_ms, by=by, why=why)
            return self._put_in_force(
                msgspec.structs.replace(change, override=override, checks=checks or {})
            )

    def before(self) -> Held | None:
        """Return what a rollback would put back in force, or ``None`` where nothing was before."""
        stack = stack_of(self.history())
        current = self.current()
        if stack and stack[-1].name != current:
            return stack[-1]  # what is in force was put there by hand
        return stack[-2] if len(stack) >= 2 else None

    def rollback(
        self, *, now_ms: int, by: str, why: str = "", only_to: str | None = None
    ) -> Change:
        """Put back in force what was before the newest promotion; again, what was before that.

        ``only_to`` is the name that it must lead to, if given.

        Raises
        ------
        fraudkit.errors.FraudkitError
            If nothing was in force before, or it is no longer there or no longer the same; then
            nothing is changed.
        """
        with self._changing():
            before = self._noted(now_ms)
            stack = stack_of(self.history())
            if before is None or len(stack) < 2:
                raise BundleError(f"{self.folder} must have had another bundle in force before")
            after = stack[-2]
            if only_to not in {None, after.name}:
                raise BundleError(
                    f"{self.folder} must still go back to {only_to}, it goes back to "
                    f"{after.name} by now; look at `fraudkit models history`"
                )
            version = self.verify(self._member(after.name).name).version
            if after.version not in {None, version}:
                raise BundleError(
                    f"{self.folder / after.name} must still be version {after.version}, which was "
                    f"in force, it is {version}; promote the one you want by its name"
                )
            now = Held(after.name, version)
            return self._put_in_force(
                _change("rollback", before, now, now_ms=now_ms, by=by, why=why)
            )

    def history(self) -> tuple[Change, ...]:
        """Return every change of what is in force, oldest first."""
        self.names()  # says so where there is no such folder
        return read_history(self.folder / HISTORY)

    def diff(self, first: str | Path, second: str | Path) -> Difference:
        """Return what differs between two bundles; see `verify` for how they are named."""
        return difference(self.load(first), self.load(second))

    def load(self, bundle: str | Path) -> Bundle:
        """Return a bundle without deciding an order with it; see `verify` for how it is named."""
        folder = self.place(bundle)
        return self._assembled(folder, self.files(folder))

    def files(self, bundle: str | Path) -> CheckedFiles:
        """Return a bundle's files, checked and not parsed; see `verify` for how it is named."""
        return read_checked(self.place(bundle), self._trusted)

    def place(self, bundle: str | Path) -> Path:
        """Return the folder of a bundle; see `verify` for how it is named."""
        if isinstance(bundle, Path):
            return resolve_bundle(bundle)
        if bundle == CURRENT:
            return resolve_bundle(self.folder / CURRENT)
        return self._member(bundle)

    def _entry(self, name: str, current: str | None) -> Entry:
        folder = self.folder / name
        entry = Entry(
            name=name, is_current=name == current, has_signature=(folder / SIGNATURE).exists()
        )
        try:
            files = read_checked(folder, self._trusted)
            if _VERSION.fullmatch(name):
                self._check_name(folder, files.version)
            training = msgspec.json.decode(files.contents["training.json"], type=dict[str, Any])
        except (FraudkitError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            return msgspec.structs.replace(entry, problem=str(error))
        return msgspec.structs.replace(
            entry, version=files.version, signed_by=files.signed_by, training=training
        )

    def _member(self, name: str) -> Path:
        if name not in self.names():
            raise BundleError(
                f"{self.folder} must hold the bundle {name[:100]!r}; it holds "
                f"{', '.join(self.names()[:20]) or 'none'}; `fraudkit models add` takes one in"
            )
        return self.folder / name

    def _check_name(self, folder: Path, version: str) -> None:
        if folder.name != version:
            raise BundleError(f"{folder} must hold the version of its name, it holds {version}")

    def _assembled(self, folder: Path, files: CheckedFiles) -> Bundle:
        try:
            return assemble(files, self._own)
        except BundleError as error:
            raise BundleError(f"{folder}: {error}") from error

    def _proved(self, folder: Path, files: CheckedFiles) -> Bundle:
        """Return the bundle after an engine has decided an order with it."""
        bundle = self._assembled(folder, files)
        with Engine(
            bundle,
            catalog=PaymentCatalog.default(),
            store=lambda plan: MemoryStore(plan, capacity_events=1),
        ) as engine:
            engine.score(decode_transaction(_ORDER))
        return bundle

    def _holds(self, place: Path, files: CheckedFiles) -> bool:
        """Return whether a place has these very files, or these and an own signature."""
        try:
            held = read_checked(place)
        except BundleError:
            return False
        return held.version == files.version and files.encoded_signature in {
            None,
            held.encoded_signature,
        }

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Wait for the lock, and say of a failing disk where it failed."""
        try:
            with locked(self.folder / _LOCK):
                yield
        except OSError as error:
            raise BundleError(
                f"{self.folder} must be a folder that can be written: {error}"
            ) from error

    def _noted(self, now_ms: int) -> Held | None:
        """Return what is in force; note it first if the history does not know of it."""
        name = self.current()
        if name is None:
            return None
        held = Held(name, self._version_of(name))
        stack = stack_of(self.history())
        if stack and stack[-1].name != name:
            change = _change("found", stack[-1], held, now_ms=now_ms, by="", why="")
            append_change(self.folder / HISTORY, change)
        return held

    def _version_of(self, name: str) -> str | None:
        if not (self.folder / name / MANIFEST).exists():
            return None
        return self._entry(name, None).version or None

    def _put_in_force(self, change: Change) -> Change:
        replace_file(self.folder / CURRENT, f"{change.to_bundle}\n".encode())
        append_change(self.folder / HISTORY, change)
        return change


def _change(
    action: Any, before: Held | None, after: Held, *, now_ms: int, by: str, why: str
) -> Change:
    return Change(
        at_ms=now_ms,
        action=action,
        from_bundle=None if before is None else before.name,
        from_version=None if before is None else before.version,
        to_bundle=after.name,
        to_version=after.version,
        by=by,
        why=why,
    )

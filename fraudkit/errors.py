"""The error tree: every error that fraudkit raises on purpose.

::

    FraudkitError
    ├── InputError (also ValueError)      what came from outside does not hold
    │   ├── InvalidField                  one field of a transaction, outcome or context
    │   │   ├── CardNumberRefused         a string that looks like a full card number
    │   │   └── TransactionConflict       an id that stands for another transaction
    │   ├── MappingError                  a mapping that does not fit the file
    │   ├── ClassifierError               a classifier of the user's own that cannot be used
    │   ├── DataFileError                 a file that cannot be read
    │   ├── ExplanationError              a decision that cannot be explained here
    │   ├── FeatureError                  a feature or feature set that cannot be built
    │   ├── PolicyError                   costs or a policy that cannot be used
    │   │   └── GuardrailError            a change of policy that its guardrails refuse
    │   ├── ParameterError                a parameter of an estimator or a split
    │   ├── ReplayError                   a decision that cannot be replayed here
    │   │   └── ReplayDiffers             a decision that does not come out again
    │   └── TableError                    a table of rows that an estimator cannot read
    ├── ArtifactError                     a bundle or catalogue that must not be used
    │   ├── BundleError
    │   │   └── ModelNotSupported         a model of a kind that the kernel does not score
    │   └── CatalogError
    ├── CheckFailed                       an implementation does not hold its contract
    ├── TrainingError (also ValueError)   data from which no honest model can be made
    └── StoreError                        a store, journal or source that cannot serve
        ├── JournalError
        └── JournalLocked                 another process is writing this journal

The message says what must hold, what came, where, and the likely fix.
"""

from collections.abc import Sequence

__all__ = [
    "ArtifactError",
    "BundleError",
    "CardNumberRefused",
    "CatalogError",
    "CheckFailed",
    "ClassifierError",
    "DataFileError",
    "ExplanationError",
    "FeatureError",
    "FraudkitError",
    "GuardrailError",
    "InputError",
    "InvalidField",
    "JournalError",
    "JournalLocked",
    "MappingError",
    "ModelNotSupported",
    "ParameterError",
    "PolicyError",
    "RecordRefused",
    "ReplayDiffers",
    "ReplayError",
    "StoreError",
    "TableError",
    "TrainingError",
    "TransactionConflict",
]


class FraudkitError(Exception):
    """The root: catch this to catch everything that fraudkit raises on purpose."""


class InputError(FraudkitError, ValueError):
    """Something that came from outside does not hold."""


class InvalidField(InputError):
    """One field of a transaction, outcome or context does not hold.

    Parameters
    ----------
    pointer : str
        JSON pointer (RFC 6901) to the field; ``""`` is the whole document.
    expected : str
        What must hold, as a phrase: ``"an integer of minor units"``.
    received : str
        What came, shortened and without personal data.
    hint : str
        The likely fix as a sentence, or ``""``.

    Examples
    --------
    >>> print(InvalidField("/order/currency", "an ISO 4217 code", "'eur'", "did you mean 'EUR'?"))
    /order/currency: expected an ISO 4217 code, got 'eur'; did you mean 'EUR'?
    """

    def __init__(self, pointer: str, expected: str, received: str, hint: str = "") -> None:
        self.pointer = pointer
        self.expected = expected
        self.received = received
        self.hint = hint
        message = f"{pointer or '(document)'}: expected {expected}, got {received}"
        super().__init__(f"{message}; {hint}" if hint else message)


class CardNumberRefused(InvalidField):
    """A string looks like a full card number; fraudkit never takes one in."""

    def __init__(self, pointer: str) -> None:
        super().__init__(
            pointer,
            "no full card number",
            "a string that looks like one",
            "send a token or a fingerprint in /payment/card/fingerprint, "
            "and at most the first 8 and last 4 digits",
        )


class TransactionConflict(InvalidField):
    """A transaction's id was decided with other content; nothing was recorded.

    Parameters
    ----------
    differing : sequence of str
        JSON pointers to the fields, as far as they can be told.
    """

    def __init__(self, differing: Sequence[str]) -> None:
        self.differing = tuple(differing)
        told = ", ".join(differing) or "a field that no feature reads"
        super().__init__(
            "/transaction_id",
            "an id that stands for one content",
            f"one that was decided with another content of {told}",
            "send the very same body again, or a new attempt under a new id",
        )


class MappingError(InputError):
    """A mapping does not parse, or does not fit the file it is applied to."""


class DataFileError(InputError):
    """A data file cannot be read."""


class ExplanationError(InputError):
    """A decision cannot be explained: it is not in the journal, or another bundle made it."""


class FeatureError(InputError):
    """A feature or a feature set cannot be built."""


class PolicyError(InputError):
    """Costs or a policy cannot be used."""


class GuardrailError(PolicyError):
    """A change of policy moves more on recent orders than its guardrails let it.

    Parameters
    ----------
    message : str
    findings : sequence of str
        What is not kept, in words.
    """

    def __init__(self, message: str, findings: Sequence[str] = ()) -> None:
        self.findings = tuple(findings)
        super().__init__(message)


class ReplayError(InputError):
    """A decision cannot be replayed: it is not in the journal, or another bundle made it."""


class ReplayDiffers(ReplayError):
    """A decision does not come out again as the journal holds it.

    Parameters
    ----------
    message : str
    at : str
        JSON pointer (RFC 6901) to the first part of the decision that differs; ``""`` is the
        whole.

    Attributes
    ----------
    at : str
    """

    def __init__(self, message: str, at: str) -> None:
        self.at = at
        super().__init__(message)


class ClassifierError(InputError):
    """A classifier of the user's own cannot be used, or returns what is no probability."""


class ParameterError(InputError):
    """A parameter of an estimator or a split does not hold."""


class TableError(InputError):
    """A table of rows has no such column, or a column of values that cannot be used."""


class ArtifactError(FraudkitError):
    """An artefact (a bundle, a catalogue) must not be used."""


class BundleError(ArtifactError):
    """A bundle is missing, altered, incomplete or made for another version."""


class ModelNotSupported(BundleError):
    """A model is whole, but of a kind that the tree kernel does not score."""


class CatalogError(ArtifactError):
    """A payment-method catalogue contradicts itself."""


class CheckFailed(FraudkitError):
    """An implementation does not hold what it must.

    Parameters
    ----------
    subject : str
        What was checked.
    check : str
        The name of the check.
    rule : str
        What must hold, as a sentence.
    expected, received : str
        What should have come out, and what did.
    shown_by : str
        The least input that shows it; lines.
    """

    def __init__(
        self, subject: str, check: str, rule: str, *, expected: str, received: str, shown_by: str
    ) -> None:
        self.subject = subject
        self.check = check
        self.expected = expected
        self.received = received
        self.shown_by = shown_by
        super().__init__(
            f"{subject} fails the check {check!r}: {rule} "
            f"Expected {expected}, got {received}:\n{shown_by}"
        )


class TrainingError(FraudkitError, ValueError):
    """No honest model can be made from this data."""


class StoreError(FraudkitError):
    """A store, a journal or a source of derived fields cannot serve."""


class JournalError(StoreError):
    """The journal cannot be written or read."""


class RecordRefused(JournalError):
    """A record holds what no journal can hold, such as a number of more than 64 bits."""


class JournalLocked(JournalError):
    """Another process is writing this journal."""

"""The hash of an identifier that is given by itself, as that of an order's field would be."""

from __future__ import annotations

from collections.abc import Sequence

from fraudkit.errors import InputError
from fraudkit.features.function_text import FunctionText
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.order_row import digest_names
from fraudkit.features.spec import Entity, FeatureSet
from fraudkit.features.window_arrays import NO_KEY

__all__ = ["entity_key"]


def entity_key(
    features: FeatureSet, name: str, parts: Sequence[str], identifier_hash: IdentifierHash
) -> int:
    """Return the hash that orders with this identifier have, as a signed number.

    Parameters
    ----------
    features : FeatureSet
        Whose entity it is.
    name : str
        The name of the entity: ``"account"``.
    parts : sequence of str
        The identifier as orders say it, one part for each field of the entity, in its order; an
        absent part but the first is ``""``.
    identifier_hash : IdentifierHash
        With the merchant's key.

    Raises
    ------
    fraudkit.errors.InputError
        If there is no such entity, it tells no customers apart, or the parts are not its own. The
        message never shows what was given, which may be personal.

    Examples
    --------
    >>> from fraudkit.features.catalog import default_features
    >>> features, secret = default_features(), IdentifierHash(b"a secret of the shop")
    >>> entity_key(features, "email", ["A@example.com "], secret) == entity_key(
    ...     features, "email", ["a@example.com"], secret
    ... )
    True
    >>> entity_key(features, "e-mail", ["a@example.com"], secret)
    Traceback (most recent call last):
    ...
    fraudkit.errors.InputError: The entity must be one of card, account, email, device, ip, ...
    """
    entity = _entity(features, name)
    if len(parts) != len(entity.inputs):
        raise InputError(
            f"The identifier of {name} must have {len(entity.inputs)} parts, in this order: "
            f"{', '.join(entity.inputs)}. Got {len(parts)}; give an empty text for one that is "
            "absent"
        )
    names = [f"part{place}" for place in range(len(parts))]
    text = FunctionText(*names)
    named = dict(zip(entity.inputs, names, strict=True))
    (digest,) = digest_names(text, [entity], named, identifier_hash)
    try:
        key = int.from_bytes(text.function(digest)(*parts), "little", signed=True)
    except UnicodeEncodeError as error:
        raise InputError(
            f"The identifier of {name} must be valid Unicode. Got what is none; send it as UTF-8"
        ) from error
    if key == NO_KEY:
        raise InputError(
            f"The identifier of {name} must have a text for {entity.inputs[0]}. Got an empty one"
        )
    return key


def _entity(features: FeatureSet, name: str) -> Entity:
    known = {entity.name: entity for entity in features.entities if not entity.is_common}
    if name not in known:
        raise InputError(
            f"The entity must be one of {', '.join(known)}. Got another name; entities are of the "
            "bundle, and those with few values, as a country, tell no customers apart"
        )
    return known[name]

"""The registry: a folder of bundles, which of them is in force, and what was before."""

from fraudkit.registry.difference import Difference
from fraudkit.registry.history import Change
from fraudkit.registry.models_folder import Entry, Registry

__all__ = ["Change", "Difference", "Entry", "Registry"]

"""A shop made up by rule: something honest to play with for those without data of their own.

Invariant: it shares nothing with the scorer but the domain's vocabulary, so that what a model
learns from it was not put there by the model's own code.
"""

from fraudkit.simulate.rules import RULES, Rules
from fraudkit.simulate.rules_text import rules_text
from fraudkit.simulate.shop import Shop, simulate
from fraudkit.simulate.writing import write_shop

__all__ = ["RULES", "Rules", "Shop", "rules_text", "simulate", "write_shop"]

"""Why an order was decided so, and what would have decided it otherwise; on request only.

`fraudkit.engine.Engine.explain` explains a decision of a running engine, `explain_journalled`
one of a journal, `explain_row` any feature row of a notebook.
"""

from fraudkit.explanation.journalled import explain_decision, explain_journalled, explain_record
from fraudkit.explanation.row import TreeShapValues, explain_row
from fraudkit.explanation.values import Explanation, FeatureShare, Flip, GroupShare

__all__ = [
    "Explanation",
    "FeatureShare",
    "Flip",
    "GroupShare",
    "TreeShapValues",
    "explain_decision",
    "explain_journalled",
    "explain_record",
    "explain_row",
]

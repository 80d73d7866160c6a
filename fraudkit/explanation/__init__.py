"""Why an order was decided so, and what would have decided it otherwise; on request only.

`fraudkit.engine.Engine.explain` explains a decision of a running engine, `explain_journalled`
one of a journal, `explain_row` any feature row of a notebook. `replay_record` computes a journalled
decision anew, to the byte.
"""

from fraudkit.explanation.journalled import explain_decision, explain_journalled, explain_record
from fraudkit.explanation.replay import JournalReplay, Replayer, replay_journal, replay_record
from fraudkit.explanation.row import TreeShapValues, explain_row
from fraudkit.explanation.values import Explanation, FeatureShare, Flip, GroupShare

__all__ = [
    "Explanation",
    "FeatureShare",
    "Flip",
    "GroupShare",
    "JournalReplay",
    "Replayer",
    "TreeShapValues",
    "explain_decision",
    "explain_journalled",
    "explain_record",
    "explain_row",
    "replay_journal",
    "replay_record",
]

"""From feature rows to calibrated probabilities and reasons; and how that is learnt."""

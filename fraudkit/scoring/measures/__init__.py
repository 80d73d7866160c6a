"""How good a score is: the figures, their intervals, and what they are made of."""

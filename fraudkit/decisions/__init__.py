"""From probability and amount to an action: costs and policy."""

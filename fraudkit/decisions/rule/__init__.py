"""The compiled rule of a policy, over plain arrays; `fraudkit.decisions.decider` fills them."""

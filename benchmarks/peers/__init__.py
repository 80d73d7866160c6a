"""What other servers run, each in an environment of its own: see ``make bench-peers``.

Every one serves LightGBM's text model at ``PEER_MODEL``. None computes a feature, applies a policy,
words a reason or remembers an order.
"""

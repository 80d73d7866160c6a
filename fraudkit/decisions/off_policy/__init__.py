"""What can be said of a policy that would have decided past orders otherwise."""

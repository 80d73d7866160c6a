"""Settings of all tests."""

from hypothesis import settings

# No test asserts on time: a busy machine must not fail a property.
settings.register_profile("fraudkit", deadline=None, print_blob=True)
settings.load_profile("fraudkit")

"""The vocabulary: frozen values in the field's standard names."""

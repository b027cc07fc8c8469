"""Asking a model about findings that it was not trained on by label."""

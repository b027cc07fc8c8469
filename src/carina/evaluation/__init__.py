"""Tasks: a model and a manifest in, numbers with intervals out."""

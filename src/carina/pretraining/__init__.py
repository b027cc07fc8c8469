"""The systems: model, objective and stages of each."""

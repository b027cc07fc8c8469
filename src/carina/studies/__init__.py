"""The manifest, checks of it, and batches from it."""

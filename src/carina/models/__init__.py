"""Model folders: saved, named, loaded."""

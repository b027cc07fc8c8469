"""Sources of entities for the reports of a manifest, and how two of them differ."""

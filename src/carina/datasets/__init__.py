"""One file per source of studies."""

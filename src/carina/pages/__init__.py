"""Data in, HTML, SVG and PNG out."""

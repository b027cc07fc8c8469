"""Concept graphs: ontologies read, the embedded chest graph, pairs for stage 1."""

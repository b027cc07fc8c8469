"""Functions that return full configurations, named by system and scale."""

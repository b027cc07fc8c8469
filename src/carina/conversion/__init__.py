"""Key tables of officially released checkpoints."""

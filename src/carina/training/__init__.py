"""The training loop, optimiser, schedule, checkpoint and run record."""

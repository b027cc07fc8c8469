"""Adapting a pre-trained image encoder to a task with few labels."""

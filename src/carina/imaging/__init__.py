"""Radiographs: reading files, geometry, augmentation, the image store."""

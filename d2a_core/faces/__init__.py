"""Faces on pictures: landmarks, head, alignment, tracking, identity."""

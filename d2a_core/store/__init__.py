"""Artefacts on disk: written whole, checked when read, with where they came from."""

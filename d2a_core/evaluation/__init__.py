"""Protocols, scores, tables, and the page to read."""

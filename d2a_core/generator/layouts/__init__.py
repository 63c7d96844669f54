"""Layouts in which other projects keep a StyleGAN2 generator, and how one is found in a file."""

"""Staged face animation by dual distillation of a pretrained StyleGAN."""

__version__ = "0.1.0"

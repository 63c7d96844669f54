"""W+ to image: StyleGANs, drafts, checkpoints of all kinds."""

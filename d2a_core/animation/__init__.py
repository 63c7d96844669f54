"""A clip drives a source: driving, motion, path, video; morphs, footage, paste-back."""

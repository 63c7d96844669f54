"""Let a clip drive a source: driving, motion, path, video; morphs, footage, paste-back."""

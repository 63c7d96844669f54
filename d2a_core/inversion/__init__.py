"""A seed or a photo to a code, and what the code cannot hold."""

"""Turn a seed or a photo into a code, and put back what the code cannot hold."""

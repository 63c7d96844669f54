"""The page in the browser: server, queue, files, faces."""

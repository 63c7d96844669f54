"""What a user calls: d2a, its requests, and the page in the browser."""

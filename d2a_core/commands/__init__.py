"""Commands of users: d2a, its requests, and the page in the browser."""

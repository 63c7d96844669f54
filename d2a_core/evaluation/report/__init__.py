"""The page of the evaluation: its rows, charts, examples and template."""

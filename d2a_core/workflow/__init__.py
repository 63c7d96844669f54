"""Snakemake run, watched, planned, verified, compared."""

"""Formats in which results are written; they know the records and nothing else."""

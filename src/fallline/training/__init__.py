"""Training a study in this process: planned cohorts are compiled, trained block by block, and recorded."""

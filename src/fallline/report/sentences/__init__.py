"""The sentences of a report: what a comparison, a tuning, an evaluation on the test set says."""

"""Training a study in this process: what is planned becomes compiled cohorts, trained blocks and records."""

"""The sections of a report as blocks: one file a subject."""

"""A document in each of its forms: one file a form, which writes every kind of block."""

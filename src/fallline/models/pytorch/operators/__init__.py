"""ATen's operators in JAX, a file for each kind. Names and arguments are those of ATen's schema."""

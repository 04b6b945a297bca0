"""Modules of PyTorch as JAX functions: exported as a graph of ATen operators, which are computed here one by one."""

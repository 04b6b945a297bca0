"""Implementations of a convolution: equal values and gradients, different speed; the fastest depends on the device."""

from fallline.models.lowerings.choice import LOWERINGS, Lowering, best_lowering, convolve, convolve_relu_pool

__all__ = ["LOWERINGS", "Lowering", "best_lowering", "convolve", "convolve_relu_pool"]

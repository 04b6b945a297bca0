"""Ways to compute a convolution: equal in value and gradients, unequal in time; the best one depends on the device."""

from fallline.models.lowerings.choice import LOWERINGS, Lowering, best_lowering, convolve, convolve_relu_pool

__all__ = ["LOWERINGS", "Lowering", "best_lowering", "convolve", "convolve_relu_pool"]

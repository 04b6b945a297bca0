"""Models: initial weights and the outputs of a batch. Nets of equinox, Flax, Keras, PyTorch, and init/apply pairs."""

from fallline.models.adapters import model
from fallline.models.from_equinox import from_equinox
from fallline.models.from_flax import from_flax
from fallline.models.from_keras import from_keras
from fallline.models.from_torch import from_torch

__all__ = ["from_equinox", "from_flax", "from_keras", "from_torch", "model"]

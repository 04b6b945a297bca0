"""Models: how weights begin and what they make of a batch. Nets of equinox, Flax and Keras, and init/apply pairs."""

from fallline.models.adapters import model
from fallline.models.from_equinox import from_equinox
from fallline.models.from_flax import from_flax
from fallline.models.from_keras import from_keras

__all__ = ["from_equinox", "from_flax", "from_keras", "model"]

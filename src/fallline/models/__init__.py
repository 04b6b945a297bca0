"""Models: built-in ones, each a function of its sizes, and adapters for your own.

>>> import fallline
>>> fallline.models.mlp(inputs=784, hidden=128, classes=10, dropout_rate=0.2).hyperparameters[0].name
'dropout_rate'

``from_equinox``, ``from_flax``, ``from_keras`` and ``from_torch`` take a module of these libraries,
``from_functions`` an init/apply pair.
"""

from fallline.models.convnet import convnet
from fallline.models.from_equinox import from_equinox
from fallline.models.from_flax import from_flax
from fallline.models.from_functions import from_functions
from fallline.models.from_keras import from_keras
from fallline.models.from_torch import from_torch
from fallline.models.line import line
from fallline.models.mlp import mlp
from fallline.models.softmax import softmax
from fallline.models.workers import workers_convnet

__all__ = [
    "convnet",
    "from_equinox",
    "from_flax",
    "from_functions",
    "from_keras",
    "from_torch",
    "line",
    "mlp",
    "softmax",
    "workers_convnet",
]

"""Models: how weights begin and what they make of a batch. Equinox modules and init/apply pairs alike."""

from fallline.models.adapters import model

__all__ = ["model"]

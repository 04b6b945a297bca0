"""Shared by all tests: one cache of compiled programs a session, and the folder of full data."""

import os
from pathlib import Path

import pytest

import array_annotations

array_annotations.install()

from command_line import cli  # noqa: E402, F401  (a fixture)

# The files that take longest, longest first: started last, one of them would run alone while the other workers wait.
LONGEST = ("builtin_studies", "jobs", "docs", "mesh", "engine", "border", "narrow_types", "scaling", "lowerings")


def pytest_collection_modifyitems(items):
    def order(item):
        name = item.path.stem.removeprefix("test_")
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=order)


@pytest.fixture(scope="session", autouse=True)
def compile_cache(tmp_path_factory):
    """A compilation cache of this session's own, so that no test reads or fills the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FALLLINE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def data_folder():
    """The folder with full data sets: FALLLINE_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("FALLLINE_DATA") or Path(__file__).parents[2] / "shared/data")
    if not folder.is_dir():
        pytest.skip("no full data: set FALLLINE_DATA to a folder that holds mnist/")
    return folder


STRICT = {"test_component_functions", "test_losses", "test_lowerings", "test_models", "test_single_losses"}
"""Modules of tests in which no array is promoted to another type or rank implicitly. optax promotes, so the update
rules that are ours have a test of their own.
"""


@pytest.fixture
def strict_promotion():
    """JAX with strict promotion of types, and none of ranks."""
    import jax

    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(autouse=True)
def promotion(request):
    if request.module.__name__ in STRICT:
        request.getfixturevalue("strict_promotion")

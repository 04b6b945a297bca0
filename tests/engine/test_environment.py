"""What JAX's environment variables say changes no weights: a trial's name stands for one beginning."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, sys
LATE
import fallline
from fallline.training.cohort import WEIGHTS, _keys
from fallline.tasks import find_task
import jax, numpy as np
first = [np.asarray(leaf) for leaf in jax.tree.leaves(find_task("mnist-softmax").model.init(_keys((3,), WEIGHTS)[0]))]
drawn = np.asarray(jax.random.normal(_keys((3,), WEIGHTS)[0], (4,)))
print(json.dumps([[str(drawn.dtype), drawn.tolist()], [str(leaf.dtype) for leaf in first]]))
"""


def beginning(late="", **variables):
    told = subprocess.run(
        [sys.executable, "-c", CODE.replace("LATE", late)],
        env=os.environ | variables,
        text=True,
        capture_output=True,
        check=True,
    )
    return json.loads(told.stdout)


@pytest.fixture(scope="module")
def usual():
    return beginning()


@pytest.mark.parametrize(
    "variables",
    [
        {"JAX_ENABLE_X64": "1"},
        {"JAX_DEFAULT_PRNG_IMPL": "rbg"},
        {"JAX_THREEFRY_PARTITIONABLE": "0"},
        {"JAX_RANDOM_SEED_OFFSET": "7"},
    ],
)
def test_the_environment_changes_no_weights(usual, variables):
    assert beginning(**variables) == usual and usual[0][0] == "float32"


def test_a_users_file_that_turns_64_bits_on_changes_no_weights(usual):
    assert beginning("import jax; jax.config.update('jax_enable_x64', True)") == usual

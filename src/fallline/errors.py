"""What can go wrong, as a tree. Every error says what came, what the law is and what to write instead.

FalllineError
|-- StudyError      a study, a recipe or a number in it is not what it must be
|   |-- NumberError     a number breaks its law: out of range, not a number, not one the rule takes
|   `-- UnknownName     no such optimizer, loss, task, dataset, study or figure; the near names are listed
|-- DataError       a data file is missing, torn, wrong or hostile
|-- StoreError      a run folder cannot be read, written or continued
|-- JobsError       jobs of a run failed, were cancelled or were lost; what was trained is kept
|-- ProcessError    of processes that train together one is gone
`-- ModelError      a model or task of the user's does not do what its contract says
    `-- NetworkError    the text of a network of neurons cannot be read or makes no sense

FalllineWarning   something that a person should hear of, and that stops nothing
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

CALLED_HERE = {
    "sgd": ("gradient_descent",), "gd": ("gradient_descent",), "vanilla_sgd": ("gradient_descent",),
    "sgd_momentum": ("momentum",), "sgdm": ("momentum",), "heavy_ball": ("momentum",), "nag": ("nesterov",),
    "sgd_nesterov": ("nesterov",), "rms_prop": ("rmsprop",), "adam_w": ("adamw",), "ada_grad": ("adagrad",),
    "ada_delta": ("adadelta",), "signsgd": ("sign_sgd",), "sgd+": ("sgd_plus",),
    "mse": ("mean_squared_error", "squared_error"), "mse_loss": ("squared_error",), "mseloss": ("squared_error",),
    "l2_loss": ("squared_error",), "mae": ("mean_absolute_error",), "acc": ("accuracy",),
    "bce": ("sigmoid_cross_entropy",), "binary_cross_entropy": ("sigmoid_cross_entropy",),
    "binary_crossentropy": ("sigmoid_cross_entropy",), "bce_with_logits": ("sigmoid_cross_entropy",),
    "bcewithlogitsloss": ("sigmoid_cross_entropy",), "bceloss": ("sigmoid_cross_entropy",),
    "ce": ("softmax_cross_entropy",), "cross_entropy": ("softmax_cross_entropy",),
    "crossentropyloss": ("softmax_cross_entropy",), "categorical_crossentropy": ("softmax_cross_entropy",),
    "sparse_categorical_crossentropy": ("sparse_softmax_cross_entropy",), "nll": ("softmax_cross_entropy",),
    "smooth_l1": ("huber",), "focal": ("sigmoid_focal",), "focal_loss": ("sigmoid_focal",),
    "lr": ("learning_rate",), "eta": ("learning_rate",), "rate": ("learning_rate",), "step_size": ("learning_rate",),
    "wd": ("weight_decay",), "decay": ("decay", "weight_decay"), "l2": ("l2", "l2_penalty"), "l1": ("l1", "l1_penalty"),
    "b1": ("beta1",), "b2": ("beta2",), "beta_1": ("beta1",), "beta_2": ("beta2",), "eps": ("epsilon",),
    "mu": ("momentum",), "bs": ("batch_size",), "batch": ("batch_size",), "batchsize": ("batch_size",),
    "warmup": ("warmup_steps", "warmup_epochs"), "grad_clip": ("clip_norm",), "clip": ("clip_norm",),
    "max_grad_norm": ("clip_norm",), "dropout": ("dropout_rate",), "ema": ("ema_decay",), "epoch": ("epochs",),
    "step": ("step", "steps"), "seed": ("seed", "seeds"), "cosine_decay": ("cosine",), "step_decay": ("piecewise",),
    "exp": ("exponential",), "none": ("constant",), "plateau": ("reduce_on_plateau",),
}
"""What other libraries and papers call things, and what they are called here. They are answered and not taken as they
are: a mean over outputs is not a sum, and a loss of logits not one of probabilities.
"""


class FalllineError(Exception):
    """The root. The command line prints its text alone and exits with 2."""


class FalllineWarning(UserWarning):
    """Something that a person should hear of, and that stops nothing. The command line prints its text alone."""


class StudyError(FalllineError):
    """A study, a recipe or a part of one is not what it must be."""


class NumberError(StudyError):
    """A number breaks its law."""


class UnknownName(StudyError):
    """A name that nothing answers to.

    ``kind`` is the word for what was looked for ("optimizer"), ``name`` what came, ``known`` what there is, ``where``
    the place in the study.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str], where: str = ""):
        self.kind, self.name, self.known, self.where = kind, str(name), sorted(known), where
        near = _meant(self.name, self.known)
        if near:
            remedy = "did you mean " + " or ".join(near) + "?"
        else:
            remedy = "there are: " + ", ".join(self.known)
        place = f" ({where})" if where else ""
        super().__init__(f"no {kind} is named {self.name!r}{place}; {remedy}")


def _meant(name: str, known: Sequence[str]) -> list[str]:
    """What was most likely meant: what it is called here, else names written alike, the likeliest first."""
    here = [ours for ours in CALLED_HERE.get(name.strip().casefold().replace("-", "_").replace(" ", "_"), ())
            if ours in known]
    return here or difflib.get_close_matches(name, known, n=3, cutoff=0.5)


class DataError(FalllineError):
    """A data file is missing, torn, wrong or hostile. Nothing of it was used."""


class StoreError(FalllineError):
    """A run folder cannot be read, written or continued."""


class JobsError(FalllineError):
    """Jobs of a run failed, were cancelled or were lost; what was trained is kept."""


class ProcessError(FalllineError):
    """Of processes that train together one is gone; what was written before is kept."""


class ModelError(FalllineError):
    """A model or a task does not do what its contract says."""


class NetworkError(ModelError):
    """The text of a network of neurons cannot be read or makes no sense; the message shows the place."""

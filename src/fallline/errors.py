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
from collections.abc import Iterable


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

    ``kind`` is the word for what was looked for ("optimizer"), ``name`` what came, ``known`` what there is.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str], where: str = ""):
        self.kind, self.name, self.known = kind, str(name), sorted(known)
        near = difflib.get_close_matches(self.name, self.known, n=3, cutoff=0.5)
        if near:
            remedy = "did you mean " + " or ".join(near) + "?"
        else:
            remedy = "there are: " + ", ".join(self.known)
        place = f" ({where})" if where else ""
        super().__init__(f"no {kind} is named {self.name!r}{place}; {remedy}")


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

"""The columns of a recipe in words: what a null means, and how a sentence says a value."""

from __future__ import annotations

from fallline.study.common_hyperparameters import COMMON, SWITCHES
from fallline.study.formatting import exact
from fallline.study.recipe_fields import FIELDS, KEPT

OFF: tuple[str, ...] = tuple(hyperparameter.name for hyperparameter in SWITCHES)
"""The columns in which a null means off."""

NULL_WORDS: dict[str, str] = {
    **{field.name: exact(field.default) for field in KEPT if not field.always},
    **{field.name: field.none for field in KEPT if field.none},
    **dict.fromkeys(OFF, "off"),
}
"""What a null means, where it is a setting; in other columns the component takes no such hyperparameter."""

WORD_FIELDS: tuple[str, ...] = tuple(field.name for field in KEPT if field.choices)
"""The fields whose values are words."""

_PHRASES: dict[str, tuple[str, str]] = {
    **{field.name: (field.phrase, field.none_phrase) for field in FIELDS if field.phrase},
    **{known.name: (known.phrase, known.none_phrase) for known in COMMON if known.phrase},
}
_VALUE_PHRASES = {field.name: field.phrases for field in FIELDS if field.phrases}

SAID_ALONE: tuple[str, ...] = tuple(name for name, (phrase, _) in _PHRASES.items() if phrase == "{}")
"""The fields whose values are understood without the name of the field."""


def phrase(column: str, value: object, text: str) -> str:
    """A setting in a sentence: ``text`` is the value in words.

    >>> phrase("batch_size", 100, "100"), phrase("early_stop", None, "off"), phrase("l2_penalty", 0.1, "0.1")
    ('batch 100', 'no early stopping', 'l2 penalty 0.1')
    """
    usual, of_null = _PHRASES.get(column, (column.replace("_", " ") + " {}", ""))
    if value is None and of_null:
        return of_null
    return _VALUE_PHRASES.get(column, {}).get(str(value)) or usual.format(text)

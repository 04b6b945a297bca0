"""Studies: what is asked, as plain data. Read, checked, expanded into trials."""

from fallline.study.plain import plain
from fallline.study.settings import parse_settings, refuse_hidden
from fallline.study.spec import Study
from fallline.study.tables import Claim, Figure, Reported, Target
from fallline.study.toml import builtin_studies, dump_study, load_study, parse_study
from fallline.study.trial import Recipe, Trial

__all__ = [
    "Claim",
    "Figure",
    "Recipe",
    "Reported",
    "Study",
    "Target",
    "Trial",
    "builtin_studies",
    "dump_study",
    "load_study",
    "parse_settings",
    "parse_study",
    "plain",
    "refuse_hidden",
]

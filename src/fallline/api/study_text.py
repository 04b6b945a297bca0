"""``fallline.new_study``: the text of a commented study, from a file of the user's or from a template."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from fallline.errors import StudyError, UnknownName, printable

KEYS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".npz": "npz",
    ".txt": "text",
}
"""The key of [data] by the ending of a file; a folder is one of images."""

UNBALANCED = 0.2


def templates() -> dict[str, str]:
    """The texts of the templates by name."""
    home = resources.files("fallline") / "templates"
    files = sorted((file for file in home.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file.read_text(encoding="utf-8") for file in files}


def new_study(source: str | Path | None = None, target: str | None = None, template: str | None = None) -> str:
    """The text of a study of the file ``source`` with the column ``target``, or of a ``template``.

    The file is read, and what was decided for its columns stands in the text as comments. StudyError, DataError or
    UnknownName for a file that cannot be used.
    """
    if (source is None) == (template is None):
        raise StudyError(
            "a new study is made of a file, fallline new churn.csv --target churned, or of a template, "
            f"fallline new --template NAME with {', '.join(templates())}"
        )
    if template is not None:
        if template not in templates():
            raise UnknownName("template", template, templates(), "fallline new --template")
        return templates()[template]
    return _of_file(Path(str(source)), target)


def _of_file(path: Path, target: str | None) -> str:
    from fallline.userdata import DataSpec, file_task
    from fallline.userdata.reading import find_file

    find_file(str(path), None, "file")
    key = "images" if path.is_dir() else KEYS.get(_ending(path))
    if key is None:
        raise StudyError(
            f"{path} ends in none of {', '.join(KEYS)}, and is no folder of images; a table of another kind is best "
            "saved as CSV"
        )
    is_table = key in ("csv", "tsv", "parquet", "xlsx")
    if target is not None and not is_table:
        raise StudyError(f"--target names a column of a table, and {path} is taken for {key}; leave it out")
    spec = DataSpec(**{key: str(path)}, target=(target,) if target else ())
    task = file_task(_name(path), spec)
    pipeline: dict[str, Any] = dict(task.pipeline or {})
    lines = [
        f"# A study of {path.name}. Try it:  fallline check FILE  says what it would do,  fallline run FILE  does it.",
        f"title = {_text(f'{target} of {path.name}' if target else path.name)}",
        f"question = {_text(_question(path, target))}",
        f"metric = {_text(_metric(pipeline, bool(task.classes)))}  # what ranks; the test set never does",
        "seeds = 5  # each setting is trained this often, so that differences have intervals",
        "",
        "[data]",
        f"{key} = {_text(str(path))}",
        *([f"target = {_text(target)}"] if target else []),
        *_data_comments(key, pipeline),
        "",
        "[base]",
        'optimizer = "adam"',
        f"batch_size = {_batch_size(pipeline)}",
        f"epochs = {20 if key != 'text' else 1}",
        "",
        "[axes]  # every combination is trained",
        "learning_rate = [0.01, 0.003, 0.001]",
        *_architecture(key),
    ]
    return "\n".join(printable(" ".join(line.splitlines())) for line in lines) + "\n"


def _ending(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _name(path: Path) -> str:
    return path.name.split(".")[0] or "data"


def _question(path: Path, target: str | None) -> str:
    if target:
        return f"Which learning rate and width predict {target} best?"
    return f"Which learning rate and model learn {path.name} best?"


def _metric(pipeline: dict[str, Any], has_classes: bool) -> str:
    """A metric that does not follow the largest class where classes are unbalanced."""
    if pipeline.get("kind") == "text":
        return "best_validation_perplexity"
    if not has_classes:
        return "best_validation_rmse"
    return "best_validation_balanced_accuracy" if _is_unbalanced(pipeline) else "best_validation_accuracy"


def _is_unbalanced(pipeline: dict[str, Any]) -> bool:
    counts = list((pipeline.get("class_counts") or {}).values())
    return bool(counts) and min(counts) < min(UNBALANCED, 0.5 / len(counts)) * sum(counts)


def _batch_size(pipeline: dict[str, Any]) -> int:
    """A power of two that gives ten steps in an epoch or more, 16 to 256."""
    rows = pipeline["rows"]["train"]
    size = 16
    while size < 256 and size * 20 <= rows:
        size *= 2
    return min(size, rows)


def _data_comments(key: str, pipeline: dict[str, Any]) -> list[str]:
    """What may be changed under [data], and what was decided for each column."""
    rows = pipeline["rows"]
    lines = [
        f"# {', '.join(f'{count:,} for {name}' for name, count in rows.items())}, split {pipeline['split']}",
        "# validation = 0.15         # a share of the rows; test = 0.15",
    ]
    if pipeline["kind"] == "table":
        lines.append(
            '# split = "time"            # with by = "COLUMN"; or "group", or "given" (train, validation, test)'
        )
    if pipeline.get("class_counts"):
        unbalanced = _is_unbalanced(pipeline)
        counts = ", ".join(f"{name} {count:,}" for name, count in list(pipeline["class_counts"].items())[:8])
        lines.append(f"# classes in the training rows: {counts}")
        balanced = 'class_weights = "balanced"  # rare classes count as much as common ones'
        lines += [balanced if unbalanced else f"# {balanced}"] if key != "images" else []
    if key == "text":
        lines.append("# context = 32              # characters that the next one is predicted from")
    if key == "images":
        lines.append("# size = 28                 # pixels; grey = true for images without colour")
    columns = [column for column in pipeline.get("columns", ()) if column["kind"] != "target"]
    if columns:
        lines += ["", "[data.columns]  # number, category, date or drop; written here are the decisions of fallline"]
        lines += [_column(column) for column in columns]
    return lines


def _column(column: dict[str, Any]) -> str:
    missing = f"; {column['missing']:,} cells missing" if column["missing"] else ""
    return f"# {_key(column['name'])} = {_text(column['kind'])}  # {column['why']}{missing}"


def _architecture(key: str) -> list[str]:
    if key == "text":
        return ['model = ["lstm", "transformer"]', "# width = [64, 128]"]
    if key == "images":
        return ["width = [8, 16]", '# model = ["cnn", "mlp"]']
    return ["width = [16, 64]", "# depth = [1, 2, 3]", '# activation = ["relu", "gelu"]', '# model = ["linear", "mlp"]']


def _text(value: str) -> str:
    """As TOML writes a string."""
    import tomli_w

    return tomli_w.dumps({"x": " ".join(value.split())}).removeprefix("x = ").strip()


def _key(name: str) -> str:
    import tomli_w

    return tomli_w.dumps({" ".join(name.split()): 0}).rsplit(" = ", 1)[0]

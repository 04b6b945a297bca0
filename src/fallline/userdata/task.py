"""The task of a study's [data]: a table, a folder of images, a text or arrays."""

from __future__ import annotations

from pathlib import Path

from fallline.contracts import Task
from fallline.userdata.spec import TABLES, DataSpec


def file_task(name: str, spec: DataSpec, folder: Path | None = None) -> Task:
    """The task named ``name`` on the file that ``spec`` names; a relative path starts at ``folder``.

    Reads the file, decides and fits everything that turns it into arrays. Trials are named by the content of the file
    and by ``spec``, so changed data never mixes with earlier trials. DataError, UnknownName or StudyError for what
    cannot be used.
    """
    if spec.source in TABLES:
        from fallline.userdata.tables import table_task

        return table_task(name, spec, folder)
    if spec.source == "images":
        from fallline.userdata.images import image_task

        return image_task(name, spec, folder)
    if spec.source == "text":
        from fallline.userdata.text import text_task

        return text_task(name, spec, folder)
    from fallline.userdata.arrays import array_task

    return array_task(name, spec, folder)

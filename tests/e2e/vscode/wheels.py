"""A folder of wheels to install from without any network: hollow ones, behind which stands what is installed here."""

from __future__ import annotations

import re
import sysconfig
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

_WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_hollow_wheels(pyproject: Path, folder: Path) -> None:
    """A wheel of each of the project's dependencies, of name and version alone.

    Packing the real ones would take minutes: one of them is torch. A further file of each makes Python look for its
    modules where this Python finds them.
    """
    wanted = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    for requirement in wanted:
        name = re.split(r"[^\w.-]", requirement)[0]
        _write_hollow_wheel(name, version(name), folder)


def _write_hollow_wheel(name: str, release: str, folder: Path) -> None:
    stem = f"{re.sub('[-.]+', '_', name)}-{release}"
    contents = {
        f"{stem}.pth": sysconfig.get_path("purelib") + "\n",
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n",
        f"{stem}.dist-info/WHEEL": _WHEEL,
    }
    record = "".join(f"{path},,\n" for path in (*contents, f"{stem}.dist-info/RECORD"))
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for path, text in {**contents, f"{stem}.dist-info/RECORD": record}.items():
            wheel.writestr(path, text)

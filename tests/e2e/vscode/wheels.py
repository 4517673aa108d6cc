"""Wheels of what is installed here, so that installing can be tested without any network."""

from __future__ import annotations

import re
import tomllib
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterator
from hashlib import sha256
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def collect_wheels(pyproject: Path, folder: Path, *, hollow: Collection[str]) -> None:
    """Write a wheel of everything that the project needs; of those in `hollow`, nothing but their name and version."""
    wanted = tomllib.loads(pyproject.read_text())["project"]["dependencies"]
    for package in _closure(wanted, hollow):
        write_wheel(package, folder, is_hollow=package.name in hollow)


def write_wheel(package: Distribution, folder: Path, *, is_hollow: bool) -> None:
    """Pack an installed package again."""
    stem = f"{re.sub('[-.]+', '_', package.name)}-{package.version}"
    info = f"{stem}.dist-info"
    tag = "py3-none-any" if is_hollow else _tag(package)
    metadata = f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {package.version}\n"
    contents = {} if is_hollow else dict(_contents(package))
    contents[f"{info}/METADATA"] = (metadata if is_hollow else package.read_text("METADATA") or "").encode()
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: {tag.endswith('any')}\nTag: {tag}\n".encode()
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(folder / f"{stem}-{tag}.whl", "w") as wheel:
        for name, content in contents.items():
            wheel.writestr(name, content)


def _closure(wanted: list[str], hollow: Collection[str]) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    open_ends = [Requirement(line) for line in wanted]
    while open_ends:
        requirement = open_ends.pop()
        if requirement.name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        package = found[requirement.name] = distribution(requirement.name)
        if requirement.name not in hollow:
            open_ends += map(Requirement, package.requires or ())
    return list(found.values())


def _contents(package: Distribution) -> Iterator[tuple[str, bytes]]:
    for file in package.files or ():
        is_ours = ".." not in file.parts and "__pycache__" not in file.parts and ".dist-info" not in file.parts[0]
        if is_ours:
            yield file.as_posix(), Path(str(package.locate_file(file))).read_bytes()


def _tag(package: Distribution) -> str:
    tags = re.findall(r"^Tag: (\S+)-(\S+)-(\S+)$", package.read_text("WHEEL") or "", re.MULTILINE)
    return "-".join(".".join(dict.fromkeys(part)) for part in zip(*tags, strict=True))


def _digest(content: bytes) -> str:
    return urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()

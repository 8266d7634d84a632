"""The files and folders that a deployment's file names, beside it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from handlers.azure.ml.assets import AssetRef
from handlers.deploy.files.fields import Path, Problem, dotted
from handlers.file_field import FileName

_ASSET = re.compile(r"(?i)azureml:|/subscriptions/")
_URL = re.compile(r"(?i)[a-z+]+://")


def problems(content: Mapping[str, Any], file: FileName) -> Iterator[Problem]:
    """What is wrong with the code, the Docker context and the Conda file of a deployment."""
    if code := content.get("code_configuration"):
        yield from _code(str(code["code"]), str(code["scoring_script"]), file)
    environment = content.get("environment")
    if not isinstance(environment, Mapping):
        return
    build = environment.get("build") or {}
    if (context := build.get("path")) and not _URL.match(context):
        docker = build.get("dockerfile_path") or "Dockerfile"
        yield from _folder(("environment", "build", "path"), context, docker, file)
    conda = environment.get("conda_file")
    if isinstance(conda, str) and not _URL.match(conda):
        path = ("environment", "conda_file")
        try:
            file.beside(conda).read()
        except ValueError as error:
            yield Problem(path, f"{dotted(path)}: {error}")


def _code(code: str, script: str, file: FileName) -> Iterator[Problem]:
    path = ("code_configuration", "code")
    if not _ASSET.match(code):
        yield from _folder(path, code, script, file)
        return
    try:
        AssetRef.parse(code, "codes")
    except ValueError as error:
        yield Problem(path, f"{dotted(path)}: {error}")


def _folder(path: Path, name: str, inside: str, file: FileName) -> Iterator[Problem]:
    """A folder that azure-ai-ml uploads, and a file that must be inside of it."""
    folder = file.beside(name)
    try:
        folder.check_folder()
    except ValueError as error:
        yield Problem(path, f"{dotted(path)}: {error}")
        return
    target = (folder.path / inside).resolve()
    if not (target.is_relative_to(folder.path) and target.is_file()):
        yield Problem(path, f"there is no {inside} in the folder {name}")

"""`Definition`: a YAML file of the CLI, from which azure-ai-ml makes the request."""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handlers.azure.client_errors import ClientError, client_errors, describe_client_error
from handlers.azure.ml.workspace import client_class
from handlers.base import GiveUp

WITH_SETTINGS = "load_model_batch_deployment"  # of batch deployments that have their settings under `settings`


@dataclass(frozen=True, slots=True)
class Definition:
    """The content of a file, which has been checked, and its path, at which relative paths in it begin."""

    text: str
    path: Path
    loader: str  # the function of azure-ai-ml that loads such a file: "load_online_deployment"
    has_resources: bool = False  # has it the key `resources`?

    def load(self, overrides: Mapping[str, Any]) -> Any:
        """azure-ai-ml's entity of the file, with other values at some paths ("tags", "settings.mini_batch_size").

        Raises GiveUp if azure-ai-ml rejects the file.
        """
        try:
            return self._load(overrides)
        except Exception as error:  # of marshmallow, azure-ai-ml or Python, for the schema or a reference
            raise GiveUp(f"azure-ai-ml rejects {self.path.name}: {describe_client_error(error)}") from error

    def errors(self, overrides: Mapping[str, Any]) -> tuple[ClientError, ...]:
        """What azure-ai-ml rejects in the file. Sends no request."""
        try:
            self._load(overrides)
        except Exception as error:  # as above
            return client_errors(error)
        return ()

    def _load(self, overrides: Mapping[str, Any]) -> Any:
        client_class()  # imports azure.ai.ml quietly
        from azure.ai.ml.entities import _load_functions  # azure.ai.ml exports all but one of them

        changes = [{path: value} for path, value in overrides.items()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the client's own use of marshmallow, and of older keys
            load = getattr(_load_functions, self.loader)
            return load(io.StringIO(self.text), relative_origin=str(self.path), params_override=changes)


def prefixed(id: str) -> str:
    """A reference as the CLI's YAML has it: with ``azureml:``."""
    return id if id.startswith("azureml:") else f"azureml:{id}"

"""A catalogue as a file: read, checked, and its mistakes told with their line."""

from __future__ import annotations

from pathlib import Path

from infra.local.yaml_file import YamlFile
from shared.domain import catalog
from shared.domain.errors import Invalid
from shared.edge.schemas import PutCatalog


class CatalogFile:
    """``file.data`` is the body to publish, ``catalog`` what will be sold."""

    def __init__(self, path: Path) -> None:
        self.file = YamlFile(path, PutCatalog)
        self.catalog = self.file.value.to_catalog()
        try:
            catalog.check(self.catalog)
        except Invalid as error:
            raise self.file.error(error.path, str(error)) from None

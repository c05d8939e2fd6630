"""Which server: product and version, where Maven Central has it, and which Java runs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from abs_index.errors import UsageError

DEFAULT_VERSION = "9.5.0"
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class Product(StrEnum):
    """A server. OpenSearch is here so that tests can show what happens to those who have it."""

    ELASTICSEARCH = "elasticsearch"
    OPENSEARCH = "opensearch"


@dataclass(frozen=True)
class Distribution:
    """The integration-test distribution of one version: the ordinary program with fewer modules.

    Raises UsageError for what is not a version.
    """

    version: str = DEFAULT_VERSION
    product: Product = Product.ELASTICSEARCH

    def __post_init__(self) -> None:
        if not VERSION.fullmatch(self.version):
            raise UsageError(
                f"'{self.version}' is not a version of a server: it has three numbers, as {DEFAULT_VERSION}"
            )

    def __str__(self) -> str:
        title = "Elasticsearch" if self.product is Product.ELASTICSEARCH else "OpenSearch"
        return f"{title} {self.version}"

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, to compare by."""
        return tuple(int(number) for number in self.version.split("."))

    @property
    def group(self) -> str:
        """Group of the artifact on Maven Central."""
        return f"org.{self.product}.distribution.integ-test-zip"

    @property
    def artifact(self) -> str:
        """Coordinates of the zip on Maven Central."""
        return f"{self.group}:{self.product}:{self.version}:zip"

    @property
    def folder(self) -> str:
        """The one folder that the zip holds."""
        return f"{self.product}-{self.version}"

    @property
    def takes_plugin(self) -> bool:
        """Whether it has the stable plugins that bring `english` back: Elasticsearch since 8.7."""
        return self.product is Product.ELASTICSEARCH and self.release >= (8, 7)

    @property
    def oldest_java(self) -> int:
        """The oldest Java that runs it."""
        if self.product is Product.OPENSEARCH or self.release < (8,):
            return 11
        return 17 if self.release < (9,) else 21

    @property
    def newest_java(self) -> int:
        """The newest Java that is known to run it: older servers rest on a security manager, which Java 24 lost."""
        return 99 if self.product is Product.ELASTICSEARCH and self.release >= (8, 19) else 23

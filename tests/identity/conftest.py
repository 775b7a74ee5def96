"""Both stores by name."""

from __future__ import annotations

import pytest

from s3gc_tui.demo.seaweed import SeaweedServer
from tests.servers.ministack import Ministack
from tests.servers.seaweed import S3Server


@pytest.fixture
def servers(seaweed: SeaweedServer, ministack: Ministack) -> dict[str, S3Server]:
    """The running stores."""
    return {"seaweed": seaweed, "ministack": ministack}

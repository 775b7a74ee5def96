"""Fixtures of the references' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_core.references import Registry


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    """An empty registry in the test's own folder."""
    opened = await Registry.open(tmp_path)
    yield opened
    await opened.close()

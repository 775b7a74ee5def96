"""Real applications, installed and filled, for asking whether s3gc finds their columns.

    python -m tests.applications [--cache FOLDER] [--engine ENGINE] [NAME ...]

From a test: `application = await WAGTAIL.fill(await postgres.create_database(), tmp_path, cache)`.
"""

from tests.applications.application import Application, Recipe
from tests.applications.filled import filled
from tests.applications.installing import CommandFailedError, default_cache
from tests.applications.mediawiki import MEDIAWIKI
from tests.applications.payload import PAYLOAD
from tests.applications.wagtail import WAGTAIL
from tests.applications.wordpress import WORDPRESS

# WAGTAIL is the one that the gate can afford.
APPLICATIONS = {recipe.name: recipe for recipe in (WAGTAIL, WORDPRESS, MEDIAWIKI, PAYLOAD)}

__all__ = [
    "APPLICATIONS",
    "MEDIAWIKI",
    "PAYLOAD",
    "WAGTAIL",
    "WORDPRESS",
    "Application",
    "CommandFailedError",
    "Recipe",
    "default_cache",
    "filled",
]

"""Run by Wagtail's own interpreter: makes the tables, fills them, writes the truth down.

    python wagtail_fill.py SETTINGS.json

SETTINGS: `database` (Django's own settings of it), `media`, `pictures`, `papers`, `migrations` (an
empty folder) and `truth` (the file to write).
"""

# Wagtail is installed in another environment than the one these types are checked in.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import django
from django.conf import settings

APPS = (
    "wagtail_site",
    "wagtail.contrib.redirects",
    "wagtail.users",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "django.contrib.auth",
    "django.contrib.contenttypes",
)
CDN = "https://cdn.example.org"

told = json.loads(Path(sys.argv[1]).read_bytes())
migrations = Path(told["migrations"])
(migrations / "wagtail_site_migrations").mkdir()
(migrations / "wagtail_site_migrations" / "__init__.py").touch()
sys.path.append(str(migrations))
settings.configure(
    DATABASES={"default": told["database"]},
    INSTALLED_APPS=APPS,
    MEDIA_ROOT=told["media"],
    MEDIA_URL="/media/",
    MIGRATION_MODULES={"wagtail_site": "wagtail_site_migrations"},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    STATIC_URL="/static/",
    SECRET_KEY="of no use to anybody",
    USE_TZ=True,
    WAGTAIL_SITE_NAME="Harbour News",
    WAGTAILADMIN_BASE_URL="https://news.example.org",
)
django.setup()

# Models can only be imported after the set-up.
from django.apps import apps  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.files import File  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db.models import FileField  # noqa: E402
from wagtail.contrib.redirects.models import Redirect  # noqa: E402
from wagtail.documents.models import Document  # noqa: E402
from wagtail.images.models import Image, Rendition  # noqa: E402
from wagtail.models import Comment, Page  # noqa: E402
from wagtail.users.models import UserProfile  # noqa: E402
from wagtail_site.models import Article  # noqa: E402

Truth = defaultdict[str, set[str]]
holds: Truth = defaultdict(set)
abandoned: set[str] = set()


def column(model: Any, field: str) -> str:
    return f"{model._meta.db_table}.{model._meta.get_field(field).column}"


def uploaded(path: str) -> File:
    # Django reads it when the row is saved; this process is short, and closes it.
    return File(Path(path).open("rb"), name=Path(path).name)


def people(pictures: list[str]) -> list[Any]:
    """Editors with avatars: one changes hers, one leaves; both old pictures stay behind."""
    editors = []
    for number, path in enumerate(pictures):
        editor = User.objects.create_user(f"editor{number}", password="x")
        UserProfile.objects.create(user=editor, avatar=uploaded(path))
        editors.append(editor)
    changing = editors[0].wagtail_userprofile
    abandoned.add(changing.avatar.name)
    changing.avatar = uploaded(pictures[1])
    changing.save()
    leaving = editors.pop()
    abandoned.add(leaving.wagtail_userprofile.avatar.name)
    leaving.delete()  # the profile goes with the user, the picture does not
    return editors


def library(pictures: list[str], papers: list[str]) -> tuple[list[Any], list[Any]]:
    """Images with two renditions each, and documents."""
    images = []
    for path in pictures:
        image = Image.objects.create(title=Path(path).stem, file=uploaded(path))
        for spec in ("fill-120x80", "width-240|format-webp"):
            image.get_rendition(spec)
        images.append(image)
    documents = [
        Document.objects.create(title=Path(path).stem, file=uploaded(path)) for path in papers
    ]
    return images, documents


def article(parent: Any, number: int, image: Any, document: Any, attachment: str) -> Any:
    """One article that speaks of its files by id, path, URL and full URL; published."""
    rendition = image.get_rendition("fill-120x80")
    page = Article(
        title=f"News {number}",
        hero=image,
        intro=f'<p>Read <a href="{document.file.url}">the paper</a></p>',
        attachment=uploaded(attachment),
        body=[
            ("paragraph", f'<p>Seen <embed embedtype="image" id="{image.pk}" format="left"/></p>'),
            ("html", f'<img src="{rendition.file.url}" alt=\'a "quoted" word\'>'),
            ("image", image),
            ("download", f"{CDN}{document.file.url}?download=1"),
        ],
    )
    parent.add_child(instance=page)
    publish(page)
    holds[column(Article, "intro")].add(document.file.name)
    holds[column(Article, "body")] |= {rendition.file.name, document.file.name}
    return page


def publish(page: Any) -> None:
    """Keep a revision: a copy of the whole page as JSON, which outlives what the page says."""
    revision = page.save_revision()
    revision.publish()
    said = holds[column(type(revision), "content")]
    said.add(page.attachment.name)
    for block in page.body.get_prep_value():
        # Renditions and documents are the only files that a body spells out.
        said |= {name for name in spelled if spelled[name] in str(block["value"])}
    said |= {name for name in spelled if spelled[name] in page.intro}


def lose(images: list[Any], documents: list[Any]) -> None:
    """Rows go behind the models' backs, as a script or a restored dump does it."""
    for lost in images:
        renditions = Rendition.objects.filter(image=lost)
        abandoned.update(renditions.values_list("file", flat=True), [lost.file.name])
        renditions._raw_delete(renditions.db)
        Image.objects.filter(pk=lost.pk)._raw_delete(renditions.db)
    for lost in documents:
        abandoned.add(lost.file.name)
        Document.objects.filter(pk=lost.pk)._raw_delete("default")


def held_by_file_fields() -> None:
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, FileField):
                names = model._default_manager.values_list(field.name, flat=True)
                holds[column(model, field.name)] |= {name for name in names if name}


call_command("makemigrations", "wagtail_site", verbosity=0)
call_command("migrate", verbosity=0)
editors = people(told["pictures"][:6])
images, documents = library(told["pictures"], told["papers"])
spelled = {
    file.name: file.url for file in [row.file for row in (*Rendition.objects.all(), *documents)]
}
home = Page.objects.get(depth=2)
for number, paper in enumerate(told["papers"][:-2]):
    page = article(home, number, images[number], documents[number], paper)
    if number % 2:
        page.attachment = uploaded(told["pictures"][number])  # the revision keeps the first one
        publish(page)
Redirect.objects.create(old_path="/old-paper", redirect_link=documents[0].file.url)
holds[column(Redirect, "redirect_link")].add(documents[0].file.name)
Comment.objects.create(
    page=page, user=editors[0], contentpath="body", text=f"not {CDN}{images[0].file.url} again?"
)
holds[column(Comment, "text")].add(images[0].file.name)
lose(images[-3:], documents[-2:])
held_by_file_fields()
Path(told["truth"]).write_text(
    json.dumps(
        {
            "holds": {name: sorted(keys) for name, keys in holds.items()},
            "computed": {},
            "mentions": {},
            "abandoned": sorted(abandoned),
        }
    )
)

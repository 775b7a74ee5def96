"""The pages of the site: a newsroom's article, with every way Wagtail has to hold a file."""

# Wagtail is installed in another environment than the one these types are checked in.
# mypy: disable-error-code="import-not-found"
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from django.db import models
from wagtail.blocks import RawHTMLBlock, RichTextBlock, URLBlock
from wagtail.fields import RichTextField, StreamField
from wagtail.images.blocks import ImageChooserBlock
from wagtail.models import Page


class Article(Page):
    """An article: images by their ids, by URLs in HTML, and a file field of its own."""

    intro = RichTextField(blank=True)
    hero = models.ForeignKey(
        "wagtailimages.Image", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    attachment = models.FileField(upload_to="attachments/%Y/%m", blank=True, max_length=255)
    body = StreamField(
        [
            ("paragraph", RichTextBlock()),
            ("html", RawHTMLBlock()),
            ("image", ImageChooserBlock()),
            ("download", URLBlock()),
        ],
        blank=True,
    )

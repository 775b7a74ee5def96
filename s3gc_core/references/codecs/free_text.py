"""Codec `text`: every URL and key-like token in free text, HTML, Markdown, CSS, serialised values.

Closes incident group b (a kind of reference that nobody told the collector about: a picture in an
article, an option of a plug-in). A token is key-like where it has a dot or a slash.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

from s3gc_core.references.codecs import documents, serialised
from s3gc_core.references.legacy_text import read_again

# Tokens: broken at white space; at white space and marks that enclose; only at marks that enclose
# (so that a name with a space inside quotes or brackets stays whole).
_SPACED = re.compile(r"[^\s\"'<>`]+")
_WORDS = re.compile(r"[^\s\"'<>()\[\]{}|,;`]+")
_ENCLOSED = re.compile(r"[^\r\n\t\"'<>()\[\]{}|`]+")
_URLS = re.compile(r"(?:https?|s3[an]?)://[^\s\"<>`|{}\\^]+", re.IGNORECASE)
# What stands between two quotes of one kind, in angle brackets or in parentheses, whatever other
# marks it holds.
_QUOTED = re.compile(r"\"([^\"\r\n]+)(?=\")")
_APOSTROPHES = re.compile(r"'([^'\r\n]+)(?=')")
_BACKTICKS = re.compile(r"`([^`\r\n]+)(?=`)")
_ANGLED = re.compile(r"<([^<>\r\n]+)(?=>)")
_BRACKETED = re.compile(r"\(((?:[^()\r\n]|\([^()\r\n]*+\))++)\)")
# A name may hold every mark, and then it has a line of its own.
_LINES = re.compile(r"[^\r\n]+")
# What a name is given: `src=a/b.jpg`, `image: a/b.jpg`, `[[File:a/b.jpg|thumb]]`, `x=1&y=a%2Fb`.
# The port of a URL is nothing that its host is given.
_PORT = r"(?:(?<![^\s\"'<>(=:,;|])//[^\s/?#\"'<>:]*+:\d{1,5}(?=[/?#]))"
_GIVEN = re.compile(_PORT + r"|[=:&](?!//)([^\s\"'<>`|,;&=:()\[\]{}]+)")
_GIVEN_WHOLE = re.compile(_PORT + r"|[=:](?!//)([^\s\"'<>`]+)")
# Marks of Markdown and of print: quotes, dashes, arrows, bullets, the punctuation of East Asia; and
# the scripts that put no space between words.
_PRINTED = (
    r"\s\"'<>()\[\]{}|,;`*~#^\0-\x1f\x7f-\xbf\xd7\xf7\u2000-\u206f\u2190-\u21ff\u2500-\u27bf"
    r"\u3000-\u303f\ufe10-\ufe1f\ufe30-\ufe6f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
_BESIDE_MARKS = re.compile(f"[^{_PRINTED}]+")
_BESIDE_WORDS = re.compile(f"[^{_PRINTED}{_UNSPACED}]+")
_PATTERNS = (
    _URLS, _WORDS, _SPACED, _ENCLOSED, _QUOTED, _APOSTROPHES, _BACKTICKS, _ANGLED, _BRACKETED,
    _GIVEN, _GIVEN_WHOLE, _BESIDE_MARKS, _BESIDE_WORDS,
)  # fmt: skip
_ESCAPED_MARK = re.compile(r"%(?:0[9AaDd]|2[02Cc]|3[BbCcEe]|7[Cc])")
# A dot or a slash, or an escape that may be one.
_KEYLIKE = re.compile(r"[./]|%2[EFef]|&#|&[A-Za-z]+;|\\u")
# Marks that end a sentence or a bracket, and the backslash of an escaped quote.
_TRAILING = ".,;:!?)]}'\"\\"
# Marks of emphasis, and what is left of arrows.
_EMPHASIS = "_-="
# The title behind a link's target in Markdown.
_TITLE = re.compile(r"(?<=\S)\s++(?:\"[^\"]*+\"|'[^']*+')\s*+$")


def tokens(text: str) -> set[str]:
    """Everything in `text` that may be a key or a URL."""
    layers = {text, html.unescape(text)}
    layers |= {html.unescape(layer) for layer in layers}
    # A list of which the commas are escaped.
    layers |= {unquote(layer) for layer in layers if _ESCAPED_MARK.search(layer)}
    # Half of a character that was misread may be a mark, or white space.
    layers |= {read_again(layer) for layer in layers}
    found: set[str] = set()
    for layer in layers:
        found |= {line.strip() for line in _LINES.findall(layer) if _KEYLIKE.search(line)}
        document = documents.strings(layer) if layer.lstrip()[:1] in ("[", "{", '"') else None
        for token in (*_marked(layer), *serialised.strings(layer), *(document or ())):
            if _KEYLIKE.search(token):
                found.add(token)
                bare = token.rstrip(_TRAILING)
                found |= {one for one in (bare, bare.strip(_EMPHASIS)) if _KEYLIKE.search(one)}
    return found


def _marked(text: str) -> Iterator[str]:
    for pattern in _PATTERNS:
        yield from filter(None, pattern.findall(text))
    for inside in _BRACKETED.findall(text):
        yield _TITLE.sub("", inside)

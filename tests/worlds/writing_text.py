"""How keys stand inside of texts and serialised values: one `Way` each (see `writing`)."""

from __future__ import annotations

import html
import json
import pickle
import re
from collections.abc import Callable
from urllib.parse import quote

from tests.worlds.model import BUCKET, CDN_BASE, Holds
from tests.worlds.writing import Keys, Way, no, one, path, trimmed

_SIMPLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@~=+\-]*[A-Za-z0-9_]")


def looks_like_a_file(key: str) -> bool:
    """Only what has a dot or a slash in it can be told from a word of a text."""
    return "." in key or "/" in key


def _simple(key: str) -> bool:
    return looks_like_a_file(key) and _SIMPLE.fullmatch(key) is not None


def _line(key: str) -> bool:
    return _whole(key) and trimmed(key)


def _without(characters: str) -> Callable[[str], bool]:
    return no(characters, inside=looks_like_a_file)


def _sources(keys: Keys) -> str:
    return "".join(f'<p>Hello <img src="{html.escape(key)}" alt="a b"></p>' for key in keys)


def _numbered(key: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else f"&#{ord(c)};" for c in key)


def _hexadecimal(key: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else f"&#x{ord(c):X};" for c in key)


def _data_attribute(key: str) -> str:
    return f'<div data-image="{html.escape(json.dumps({"src": key}))}"></div>'


def _srcset(keys: Keys) -> str:
    sizes = ", ".join(f"{quote(key, safe='/')} {n}x" for n, key in enumerate(keys, 1))
    return f'<img srcset="{sizes}" sizes="100vw">'


def _markdown(keys: Keys) -> str:
    return "# A title\n" + "\n".join(f"![a picture]({quote(key, safe='/')}) more" for key in keys)


_HOST = f"https://{BUCKET}.s3.amazonaws.com/"
_whole = _without("\r\n\t")
# HTML, Markdown, and sentences.
TEXT: tuple[Way, ...] = (
    Way("HTML, src", _sources, _whole, several=True),
    one("HTML, single quotes", lambda k: f"<a href='{html.escape(k)}'>more</a>", _whole),
    one("HTML, numbered", lambda k: f'<img src="{_numbered(k)}">', _whole),
    one("HTML, hexadecimal", lambda k: f'<img src="/{_hexadecimal(k)}">', _whole),
    one("HTML, no quotes", lambda k: f"<img src={path(k)} alt=x>", looks_like_a_file),
    one("HTML, URL with &amp;", lambda k: f'<img src="{_HOST}{path(k)}?v=1&amp;w=2">'),
    one("HTML, JSON in an attribute", _data_attribute, _whole),
    one("CDATA", lambda k: f"<img><![CDATA[{path(k)}]]></img>", looks_like_a_file),
    Way("srcset", _srcset, looks_like_a_file, several=True),
    one("CSS url()", lambda k: f"<p style='background:url({path(k)})'>", looks_like_a_file),
    one("CSS url('')", lambda k: f"a {{ background: url('/{path(k)}') }}", looks_like_a_file),
    Way("Markdown image", _markdown, looks_like_a_file, several=True),
    one("Markdown, angled", lambda k: f"see ![a b](<{k}> 'title')", _without("<>\r\n\t\\&")),
    one("Markdown, titled link", lambda k: f'[x](/{path(k)} "a title") y', looks_like_a_file),
    one("Markdown, reference", lambda k: f"[1]: {path(k)}\n[2]: other", looks_like_a_file),
    one("BBCode", lambda k: f"hello [img]{path(k)}[/img] there", looks_like_a_file),
    one("in a sentence", lambda k: f"I put it at {k}, and left.", _simple),
    one("at the end of a sentence", lambda k: f"It is now in {k}.", _simple),
    one("in brackets", lambda k: f"our picture ({k}) is new", _simple),
    one("URL in a sentence", lambda k: f"It is at {_HOST}{quote(k, safe='/')}."),
    one("URL in brackets", lambda k: f"My car ({CDN_BASE}{quote(k, safe='/')})!"),
    one("a setting", lambda k: f"size=300\nimage={k}\n", _simple),
    one("a setting in a line", lambda k: f"size:300 image:{k} left", _simple),
    one("wiki", lambda k: f"See [[File:{k}|thumb|a picture]] for more.", _simple),
    one("query alone", lambda k: f"size=300&image={quote(k, safe='')}&x=1", looks_like_a_file),
    one("one a line", lambda k: f"first line\n{k}\r\nlast line", _line),
)

_BINARY = (Holds.BYTES,)


def _php(key: str) -> str:
    size = len(key.encode())
    return f'a:2:{{s:5:"image";s:{size}:"{key}";s:5:"width";i:300;}}'


def _single(key: str) -> str:
    doubled = key.replace("'", "''")
    return f"--- !ruby/hash\nimage: '{doubled}'\nwidth: 300\n"


def _pickled(protocol: int) -> Way:
    return Way(
        f"pickle {protocol}",
        lambda keys: pickle.dumps({"image": list(keys), "width": 300}, protocol=protocol),
        looks_like_a_file,
        several=True,
        holds=_BINARY,
    )


_BLOB = (Holds.TEXT, Holds.BYTES)
# Serialised by PHP, Ruby and Python: read as text, never loaded.
SERIALISED: tuple[Way, ...] = (
    one("PHP", _php, looks_like_a_file, holds=_BLOB),
    one("YAML, single quotes", _single, _without("\r\n\t"), holds=_BLOB),
    one("YAML, double quotes", lambda k: f"a: {json.dumps(k)}\n", looks_like_a_file, holds=_BLOB),
    one("YAML, no quotes", lambda k: f"image: {k}\nwidth: 300\n", _simple, holds=_BLOB),
    one("YAML, a list", lambda k: f"images:\n- {k}\n- x\n", _simple, holds=_BLOB),
    one("YAML, a block", lambda k: f"image: |-\n  {k}\nw: 3\n", _line, holds=_BLOB),
    _pickled(0),
    _pickled(2),
    _pickled(4),
    _pickled(5),
)

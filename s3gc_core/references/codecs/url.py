"""Codec `url`: the value is a URL of this bucket; another bucket's URL is no reference to this one.

Closes incident group c (same key, different spelling): scheme, host, percent signs, query, slashes.
The forms are those of `hosts` (S3's own), `resizers` and the configured patterns; ARNs; and paths
that begin with a slash, which are relative URLs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from s3gc_core.references.codecs import resizers
from s3gc_core.references.codecs.bucket_names import BucketNames, is_alias, plain_host
from s3gc_core.references.codecs.hosts import Serves, below_bucket, host_of, is_outside
from s3gc_core.references.path_steps import without_dots
from s3gc_core.references.spellings import spellings

# What begins a URL that may name an object.
SCHEME = re.compile(r"(?:https?:|s3[an]?:)?//|arn:aws", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"(?!https?:|s3[an]?:|ftps?:|wss?:)[a-z][a-z0-9+.\-]*://", re.IGNORECASE)
# Undoing escapes by guesses makes slashes too many; a host stands behind two.
_WITH_HOST = re.compile(r"(?:(?:https?|s3[an]?):)?//[^/\\\s]|arn:aws", re.IGNORECASE)
# What tidying up a path leaves of a URL's two slashes.
_ONE_SLASH = re.compile(r"((?:https?|s3[an]?):/)(?=[^/\\\s])", re.IGNORECASE)
_DOT = re.compile("%2e", re.IGNORECASE)
_HIDDEN_SCHEME = re.compile(r"[%\\&\"'<`\0\ufeff]")
_ARN = re.compile(
    r"arn:aws[a-z\-]*:s3[a-z\-]*:[a-z0-9\-]*:\d*:"
    r"(?:accesspoint[/:](?P<point>[^/:]+)[/:](?:object/)?|(?P<bucket>[^/:]+)/)(?P<key>.+)",
    re.DOTALL | re.IGNORECASE,
)
# URLs within URLs (a proxy of a resizer of a CDN has two), whatever hostile text may hold.
_MOST_URLS = 32
_MOST_FOLDERS = 4


def url_keys(text: str, names: BucketNames) -> set[str]:
    """Keys of this bucket that the URL `text` names; none where it names another bucket.

    A URL of an unknown host may be a CDN before this bucket: its path counts (doubt keeps).
    """
    return _Reading(names).keys(text)


def relative_keys(path: str, names: BucketNames) -> set[str]:
    """Keys that a path of an unknown host names: itself, and the original that it is about."""
    reading = _Reading(names)
    reading.unknown_path(path, "")
    return reading.keys()


def path_keys(path: str) -> set[str]:
    """Keys of a URL's path: without query and fragment, and whole (a key may hold `?` or `#`)."""
    found = spellings(path)
    if "?" in path or "#" in path:
        found |= spellings(path.partition("#")[0].partition("?")[0])
    return found


class _Reading:
    """A URL, and those inside of it, each read once: the paths below the bucket that they name."""

    def __init__(self, names: BucketNames) -> None:
        self._names = names
        self._paths: dict[str, None] = {}
        self._urls: dict[str, None] = {}

    def keys(self, text: str | None = None) -> set[str]:
        """The keys of all paths that `text` and the URLs inside of it name."""
        if text is not None:
            self._url(text.strip())
        for number in range(_MOST_URLS):
            # What is read may add to what is to be read.
            if number == len(self._urls):
                break
            self._original([*self._urls][number])
        return set().union(*map(path_keys, self._paths))

    def unknown_path(self, path: str, host: str) -> None:
        """The path of a host that may be anything."""
        self._path(path)
        # The bucket's name may stand behind a proxy's own folders.
        bucket, rest = f"/{self._names.bucket}/", "/" + path
        for _ in range(_MOST_FOLDERS):
            _, found, rest = rest.partition(bucket)
            if not found:
                break
            self._path(rest)
            rest = "/" + rest
        self._inside(resizers.originals(path, self._names, host))
        first = path.partition("/")[0]
        if "." in first:
            # A proxy's URL may have the original's host in front of its path.
            named = host_of(first, self._names)
            if named.bases or named.serves is not Serves.UNKNOWN:
                self._inside(("//" + path,))

    def _path(self, path: str) -> None:
        self._paths[path] = None

    def _inside(self, originals: Iterable[str]) -> None:
        for original in originals:
            if len(self._urls) >= _MOST_URLS:
                break
            self._urls[original] = None

    def _original(self, text: str) -> None:
        """The original that a resizer's URL is about: a URL, a host with a path, or a key."""
        once = unquote(text, errors="surrogateescape")
        for form in dict.fromkeys((text, once, unquote(once, errors="surrogateescape"))):
            if SCHEME.match(form):
                self._url(form)
                continue
            self.unknown_path(form.lstrip("/"), "")
            if "." in form.partition("/")[0]:
                self._url("//" + form)

    def _url(self, text: str) -> None:
        if self._names.url_patterns:
            self._inside(resizers.of_patterns(self._names.patterns, "", text))
        if one := _ONE_SLASH.match(text):
            text = f"{one[1]}/{text[one.end() :]}"
        if not SCHEME.match(text):
            self._other(text)
        elif text[:4].lower() == "arn:":
            self._arn(text)
        else:
            scheme, _, rest = text.partition("//")
            authority, _, path = rest.partition("/")
            if scheme[:2].lower() == "s3":
                self._s3(rest, authority, path)
            else:
                # Where there is no path, a query may follow the host at once.
                host, question, query = authority.partition("?")
                path = f"?{query}" if question else path
                # The steps of a path are taken before a server sees it: they may lead to a bucket.
                for form in dict.fromkeys((path, without_dots(_DOT.sub(".", path)))):
                    self._http(host, form)

    def _other(self, text: str) -> None:
        if text.startswith("/"):
            self.unknown_path(text.lstrip("/"), "")
        elif _OTHER_SCHEME.match(text):
            # A store's or a framework's own (gs://, minio://, public://): with a bucket or not.
            rest = text.partition("//")[2]
            self.unknown_path(rest, "")
            self._path(rest.partition("/")[2])
        elif _HIDDEN_SCHEME.search(text[:32]):
            self._inside(form for form in spellings(text) if _WITH_HOST.match(form))

    def _arn(self, text: str) -> None:
        match = _ARN.fullmatch(text)
        if match is None:
            return
        if match["bucket"] is None or self._may_be_ours(match["bucket"].lower()):
            self._path(match["key"])

    def _s3(self, rest: str, authority: str, path: str) -> None:
        if authority[:4].lower() == "arn:":
            self._arn(rest)
            return
        host = plain_host(authority)
        if not host or self._may_be_ours(host):
            self._path(path)
            return
        serves = host_of(authority, self._names).serves
        if serves is Serves.THIS:
            self._path(path)
        elif serves in (Serves.BUCKETS, Serves.BELOW):
            self._below(path)

    def _may_be_ours(self, bucket: str) -> bool:
        names = self._names
        return bucket == names.bucket.lower() or names.any_bucket or is_alias(bucket)

    def _below(self, path: str) -> None:
        for below in below_bucket(path, self._names):
            self._path(below)

    def _http(self, authority: str, path: str) -> None:
        host = host_of(authority, self._names)
        for base in host.bases:
            if path.startswith(base):
                self._path(path[len(base) :])
        if host.serves is Serves.THIS:
            self._path(path)
        elif host.serves in (Serves.BUCKETS, Serves.BELOW):
            self._below(path)
        if host.serves is Serves.UNKNOWN or (
            host.serves is Serves.BELOW and is_outside(path, self._names)
        ):
            self.unknown_path(path, plain_host(authority))
        elif self._names.url_patterns:
            # Whoever names a host in a pattern knows better: a bucket that was renamed.
            place = f"//{plain_host(authority)}/{path}"
            self._inside(resizers.of_patterns(self._names.patterns, "//", place))
        if "?" in path and host.serves is not Serves.UNKNOWN:
            self._inside(resizers.urls_in_query(path))
        if host.website and host.serves is not Serves.ANOTHER:
            folder = path.partition("#")[0].partition("?")[0]
            if folder.endswith("/") or not folder:
                self._path(folder + "index.html")

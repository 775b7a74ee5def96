"""Which sources may be asked by index probes just before a delete, and for which texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.references.codecs import BucketNames


def is_probed(source: SourceConfig) -> bool:
    """Whether a key written plainly is the whole value of a row of this source.

    Where the codec is `auto` a value may be a text too, in which a key stands as neither a probe
    nor the registry knows it: such a column is read as a whole.
    """
    return source.codec is Codec.KEY and len(source.columns) == 1


def probed_forms(keys: Sequence[str], names: BucketNames) -> list[str]:
    """The plain ways to write each key, as a whole value: itself, with a slash before it, as a URL.

    Not all ways by far: the registry knows the others, and has to be true up to now.
    """
    forms: dict[str, None] = {}
    bases = list(_bases(names))
    for key in keys:
        encoded = quote(key)
        for written in (key, encoded) if encoded != key else (key,):
            forms[written] = forms[f"/{written}"] = None
            for base in bases:
                forms[f"{base}/{written}"] = None
    return list(forms)


def _bases(names: BucketNames) -> Iterator[str]:
    for base in names.cdn_bases:
        yield base.rstrip("/")
    if names.any_bucket:
        return  # no URL can have its name
    yield f"s3://{names.bucket}"
    if names.endpoint_host is None:
        yield f"https://{names.bucket}.s3.amazonaws.com"
        yield f"https://s3.amazonaws.com/{names.bucket}"
        return
    below = f"/{names.endpoint_path}" if names.endpoint_path else ""
    for scheme in ("https", "http"):
        yield f"{scheme}://{names.endpoint_host}{below}/{names.bucket}"
        yield f"{scheme}://{names.bucket}.{names.endpoint_host}"

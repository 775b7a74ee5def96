"""From a column's value to the keys it may refer to. Pure functions; each gives too many rather
than too few, because a key too many only keeps an object.

`key`       the whole value is a key, with or without a query behind it  url.path_keys
`url`       the value is a URL of this bucket                            url, hosts, resizers
`json`      every string inside, or those that a JSONPath selects        documents
`array`     the elements of an array                                     arrays
`csv`       the fields of a list                                         separated
`text`      every URL and key-like token, serialised values included     free_text, serialised
`regex`     what a pattern finds                                         expressions
`template`  the keys are computed from columns of the row                templates
`auto`      all of the above that take one value                         automatic

What does not parse as its codec says is read as free text.
"""

from s3gc_core.references.codecs.automatic import auto_keys, text_keys
from s3gc_core.references.codecs.bucket_names import BucketNames
from s3gc_core.references.codecs.rows import (
    broad_keys_of_row,
    is_broad,
    keys_of_row,
    keys_of_value,
)
from s3gc_core.references.codecs.templates import template_keys
from s3gc_core.references.codecs.url import url_keys

__all__ = [
    "BucketNames",
    "auto_keys",
    "broad_keys_of_row",
    "is_broad",
    "keys_of_row",
    "keys_of_value",
    "template_keys",
    "text_keys",
    "url_keys",
]

"""Keys as applications make them, the odd ones too, and keys that are easily taken for others."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import strategies as st

from tests.worlds.model import PROTECTED_PREFIX

LONGEST_KEY = 1024  # bytes (S3 user guide)
LONGEST_STEP = 255  # bytes of one step of the path, in the server that the tests use

_PLAIN_STEPS = ("photos", "images", "images2", "Users", "2024", "1", "u-7")
_ODD_STEPS = (
    *(
        "my photos",
        "a+b",
        "a%20b",
        "100%",
        "%2F",
        "%25",
        "it's",
        'q"q',
        "R&D",
        "a;b",
        "C#",
        "what?",
    ),
    *("a,b", "(1)", "[x]", "{y}", "~x", "a=b", "..x", ".hidden", "a|b", "<b>", "`a`", "$1", "*"),
    *("@2x", "x:y", "&amp;", "&#47;", "caf\u00e9", "cafe\u0301", "\u05e9\u05dc\u05d5\u05dd"),
    *(
        "\u0639\u0631\u0628\u064a",
        "\u65e5\u672c",
        "\U0001f5d1\ufe0f",
        "stra\u00dfe",
        "\u0130",
        "n'",
    ),
    *("a\u00a0b", "\u200fx", "\u1e69", "\u212b", "\ufb01", "a\tb", "-", "_", "!", "x.y", "+"),
)
_ENDINGS = (".jpg", ".JPG", ".tar.gz", ".webp", ".\u00e9", ".mp4", "", "-final.pdf", " (2).png")
_LETTERS = st.characters(categories=["L", "M", "N", "P", "S", "Zs"])
_STEP = (
    st.sampled_from(_PLAIN_STEPS)
    | st.sampled_from(_ODD_STEPS)
    | st.text(_LETTERS, min_size=1, max_size=3)
)
_AROUND = st.sampled_from(
    ("", "", "", "img_", "a b ", "%", "+", "&", "'", "\u00e9", "e\u0301", "(")
)


def token(number: int) -> str:
    """What only the key of that number has in its name."""
    return f"q{number}z"


def _path(number: int) -> st.SearchStrategy[str]:
    return st.builds(
        lambda steps, before, after, ending: "/".join(
            [*steps, before + token(number) + after + ending]
        ),
        st.lists(_STEP, max_size=3),
        _AROUND,
        _AROUND,
        st.sampled_from(_ENDINGS),
    )


def _special(number: int) -> st.SearchStrategy[str]:
    name = token(number)
    return st.sampled_from(
        (
            name,  # a bare word
            f"{name}.jpg",
            f"{PROTECTED_PREFIX}{name}.jpg",
            f"keeper/{name}.jpg",
            f"docs/{name}.keepme",
            f"3f/a9/{name}3fa9c0ffee3fa9c0ffee3fa9c0ffee",
            f"0b0e7f0c-6f5e-4b0e-9d5e-{name}",
            # Keys that look like something else.
            quote(f"https://example.org/{name}.jpg", safe=""),
            f"https:/example.org/{name}.jpg",
            f"example.org/{name}.jpg",
            f'{{"src": "{name}.jpg"}}',
            f'["{name}.jpg"]',
            f"{{{name}.jpg}}",
            f"<img src={name}.jpg>",
            f"{name}.jpg,x.jpg",
            f"image:{name}.jpg",
            f"?X-Amz-Signature={name}.jpg",
            # Long ones: in letters of one byte, of four, and with every sign that is ever escaped.
            "/".join(["long" * 50] * 4 + [f"{name}.jpg"]),
            "/".join(["\U0001f5d1" * 60] * 4 + [f"{name}.jpg"]),
            "/".join(["a+b %20&amp;e\u0301'" * 12] * 4 + [f"{name}.jpg"]),
            ("x" * 250 + "/") * 4 + name + "y" * (LONGEST_KEY - 4 * 251 - len(name)),
        )
    )


def storable(key: str) -> bool:
    """Whether the server keeps an object under exactly this key (it changes some, by its manual).

    It takes a backslash for a slash, and steps of a path as a file system does.
    """
    steps = key.split("/")
    return (
        all(
            step and step not in (".", "..") and len(step.encode()) <= LONGEST_STEP
            for step in steps
        )
        and not set("\\\0") & set(key)
        and len(key.encode()) <= LONGEST_KEY
    )


def keys(number: int) -> st.SearchStrategy[str]:
    """Keys with the token of that number in their names, so that no two are alike by accident."""
    return (_path(number) | _path(number) | _special(number)).filter(storable)


def _folder_and_name(key: str) -> tuple[str, str]:
    folder, slash, name = key.rpartition("/")
    return folder + slash, name


def _next_token(key: str) -> str:
    """The key with one letter of its token changed."""
    at = key.rindex("z")
    return key[:at] + "y" + key[at + 1 :]


def _other_folder(key: str) -> str:
    folder, name = _folder_and_name(key)
    return f"{folder[:-1]}2/{name}" if folder else f"other2/{name}"


def _other_ending(key: str) -> str:
    folder, name = _folder_and_name(key)
    stem, dot, ending = name.rpartition(".")
    return f"{folder}{stem}.{ending}x" if dot and stem else f"{folder}{name}.orig"


def _other_form(key: str) -> str:
    composed = unicodedata.normalize("NFC", key)
    return unicodedata.normalize("NFD", key) if key == composed else composed


# Keys of other objects made from a key: by how they are made. What must become of them is told by
# the oracle from the keys alone.
KIN: dict[str, Callable[[str], str]] = {
    "longer": lambda key: key + ".bak",
    "longer by a letter": lambda key: key + "x",
    "longer by a space": lambda key: key + " copy",
    "shorter": lambda key: key[:-1],
    "other ending": _other_ending,
    "other folder": _other_folder,
    "other token": _next_token,
    "letter in front": lambda key: "x" + key,
    "small thumbnail": lambda key: "-200x200.".join(key.rsplit(".", 1)) if "." in key else key,
    "capitals": str.upper,
    "swapped case": str.swapcase,
    "below a folder": lambda key: f"backup-of/{key}",
    "name alone": lambda key: _folder_and_name(key)[1],
    "other Unicode form": _other_form,
    "percent-encoded": lambda key: quote(key, safe="/"),
    "+ for a space": lambda key: key.replace(" ", "+"),
    "no tail": lambda key: key.partition("?")[0].partition("#")[0],
}

# How an application may write a key wrongly: what it then refers to is told by the oracle.
SLIPS: dict[str, Callable[[str], str]] = {
    "other case": str.swapcase,
    "capitals": str.upper,
    "small letters": str.lower,
    "name alone": lambda key: _folder_and_name(key)[1],
    "path of a disk": lambda key: f"/var/www/media/{key}",
    "folder in front": lambda key: f"uploads/{key}",
    "first folder gone": lambda key: key.partition("/")[2] or key,
    "other ending": _other_ending,
    "cut off": lambda key: key[:-1] or key,
}

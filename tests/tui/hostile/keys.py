"""Keys, and texts of any other kind, that want the terminal or another object's place."""

from __future__ import annotations

HOSTILE = {
    "clear screen": "a\x1b[2J\x1b[H.jpg",
    "colour": "a\x1b[31mred\x1b[0m.jpg",
    "clipboard": "a\x1b]52;c;Y3VybCB4fHNo\x07.jpg",
    "title": "a\x1b]0;owned\x07.jpg",
    "one-byte osc": "a\x9d0;owned\x9c.jpg",
    "one-byte csi": "a\x9b31m.jpg",
    "delete": "a\x7f.jpg",
    "carriage return": "gone\rfake.jpg",
    "backspaces": "fake\x08\x08\x08\x08gone.jpg",
    "new line": "gone\nORPHAN fake.jpg",
    "tab": "a\tb.jpg",
    "bidi": "photo\u202egpj.exe",
    "isolates": "a\u2066b\u2069c.jpg",
    "zero width": "ze\u200bro\u200d.jpg",
    "byte order": "\ufeffbom.jpg",
    "tags": "a\U000e0041\U000e0042\U000e007f.jpg",
    "line separators": "a\u2028b\u2029c.jpg",
    "markup": "[red]bold[/red].jpg",
    "closing markup": "[/x]closing[/].jpg",
    "action": "[@click=app.quit]x[/].jpg",
    "link": "[link=http://x]y[/link].jpg",
    "combining": "e" + "\u0301" * 60 + ".jpg",
    "wide": "日本語" * 40 + ".jpg",
    "emoji": "👨\u200d👩\u200d👧 ❤\ufe0f.jpg",
    "fillers": "a\u3164b\u115fc\u2800d\xa0e.jpg",
    "long": "x" * 1020 + ".jpg",
    "spaces": "  lead  double  trail  ",
    "formula": "=cmd|'/c calc'!A1.csv",
    "backslashes": "a\\x1b[31m\\u{202e}\\.jpg",
    "format": "%s%n{0}{key!r}.jpg",
    "option": "--help",
}
# What no store takes as a key, but other texts may hold.
IMPOSSIBLE = {"nul": "a\x00b", "half a character": "a\udc80b", "empty": ""}

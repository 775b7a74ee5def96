"""The predecessors' row about images: a backup is the bytes, whatever they depict."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from s3gc_core.bucket import ObjectHeaders
from tests.stories.pictures import pictures
from tests.stories.staging import comes_back_exactly
from tests.world import World


async def test_pictures_are_never_re_encoded(sqlite_world: World) -> None:
    bodies = pictures()
    with (
        Image.open(BytesIO(bodies["animated.gif"])) as gif,
        Image.open(BytesIO(bodies["scan.tiff"])) as tiff,
    ):
        assert (getattr(gif, "n_frames", 1), getattr(tiff, "n_frames", 1)) == (3, 2)
    modes = {}
    for name, body in list(bodies.items())[:11]:
        with Image.open(BytesIO(body)) as image:
            modes[name] = image.mode
    assert modes == {
        "alpha.png": "RGBA",
        "camera.jpg": "RGB",
        "print.jpg": "CMYK",
        "palette.png": "P",
        "sixteen-bit.png": "I;16",
        "grey-alpha.png": "LA",
        "animated.gif": "P",
        "photo.webp": "RGBA",
        "scan.tiff": "RGB",
        "old.bmp": "RGB",
        "large.jpg": "RGB",
    }
    kinds = {"jpg": "jpeg", "svg": "svg+xml"}
    objects = {}
    for name, body in bodies.items():
        extension = name.rpartition(".")[2]
        headers = ObjectHeaders(content_type=f"image/{kinds.get(extension, extension)}")
        objects[f"img/{name}"] = (body, headers)
    await comes_back_exactly(sqlite_world, objects)

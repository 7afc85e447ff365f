"""Images of the echo."""

import zlib
from base64 import b64decode

from tornado_router_echo.image import events, images


def pixel(data):
    """The colour of the only pixel of a PNG."""
    picture = b64decode(data)
    start = picture.index(b"IDAT") + 4
    return zlib.decompress(picture[start : picture.index(b"IEND") - 8])[1:]


def test_equal_prompts_give_equal_colours():
    one, other = images({"prompt": "Fog"})["data"][0], images({"prompt": "fog"})["data"][0]
    assert one == other
    assert len(pixel(one["b64_json"])) == 3
    assert pixel(one["b64_json"]) != pixel(images({"prompt": "sun"})["data"][0]["b64_json"])


def test_events_are_the_same_images_with_partial_ones_before_them():
    body = {"prompt": "the fog", "n": 2, "partial_images": 1}
    made = list(events(body))
    whole = [event for event in made if event["type"].endswith("completed")]
    assert len(made) == 4
    assert [event["b64_json"] for event in whole] == [
        image["b64_json"] for image in images(body)["data"]
    ]
    total = sum(event["usage"]["total_tokens"] for event in whole)
    assert total == images(body)["usage"]["total_tokens"] == 4

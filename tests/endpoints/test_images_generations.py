"""`POST /v1/images/generations`: what is its own; the rest is in test_images."""

from tornado_router.endpoints import IMAGES_GENERATIONS


def test_without_a_model_it_is_openais():
    call = IMAGES_GENERATIONS.read("r1", {"prompt": "x"}, b'{"prompt": "x"}')
    assert (call.model, call.stream) == ("gpt-image-1", False)


def test_its_responses_are_media():
    assert IMAGES_GENERATIONS.is_media
    assert IMAGES_GENERATIONS.streams

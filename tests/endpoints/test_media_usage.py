"""Usage of media, as vendors report it."""

import pytest

from tornado_router.endpoints.media_usage import read_media_usage
from tornado_router.usage import Usage

IMAGE = {
    "input_tokens": 50,
    "output_tokens": 4160,
    "total_tokens": 4210,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens_details": {"text_tokens": 0, "image_tokens": 4160},
}


def test_tokens_of_images():
    assert read_media_usage(IMAGE) == Usage(
        50, 4160, image_prompt_tokens=40, image_completion_tokens=4160
    )


def test_tokens_of_audio():
    usage = {
        "type": "tokens",
        "input_tokens": 14,
        "output_tokens": 45,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
    }
    assert read_media_usage(usage) == Usage(14, 45, audio_prompt_tokens=14)


def test_a_length():
    assert read_media_usage({"type": "duration", "seconds": 27}) == Usage(seconds=27.0)


def test_the_names_of_chat_completions():
    assert read_media_usage({"prompt_tokens": 5, "seconds": 1.5}) == Usage(5, seconds=1.5)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"input_tokens": -1},
        {"type": "duration"},
        {"type": "duration", "seconds": "9"},
    ],
)
def test_what_cannot_be_true_is_not_believed(value):
    assert read_media_usage(value) is None

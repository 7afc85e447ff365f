"""What the package of prices knows, as a price of router.toml."""

from tornado_router.routing.package_prices import Source, from_package


def test_a_vendors_model():
    found = from_package(Source("openai"), "gpt-4o")
    assert found is not None
    assert (found.input, found.output, found.cached_input) == (2.5, 10.0, 1.25)


def test_the_vendors_own_address_is_known():
    assert from_package(Source("openai", "https://api.openai.com/v1"), "gpt-4o")


def test_what_it_does_not_know():
    assert from_package(Source("openai"), "gpt-nine") is None
    assert from_package(Source("openai", "https://llm.corp.example/v1"), "gpt-4o") is None
    assert from_package(Source("echo"), "echo") is None


def test_models_that_are_not_paid_by_tokens_of_text():
    spoken, heard = (
        from_package(Source("openai"), "tts-1"),
        from_package(Source("openai"), "whisper-1"),
    )
    assert (spoken.million_characters, spoken.input) == (15.0, None)
    assert heard.second == 0.0001
    drawn = from_package(Source("openai"), "gpt-image-1")
    assert (drawn.input, drawn.image_input, drawn.output) == (5.0, 10.0, 40.0)
    assert from_package(Source("google"), "gemini-2.5-flash-image").image_output == 30.0

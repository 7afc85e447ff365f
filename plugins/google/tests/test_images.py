"""Images by Gemini and by Imagen."""

import orjson
import pytest

from tornado_router.provider import ApiError, Call, ProviderError, UpstreamResponse
from tornado_router_google import GoogleProvider

IMAGES = GoogleProvider("it", {"api_key": "k"}).endpoints["images.generations"]
DATA = "aGk="


def call(model="gemini-2.5-flash-image", unsupported="adapt", **fields):
    body = {"model": "asked", "prompt": "A lighthouse", **fields}
    return Call("id", "images.generations", model, body, b"", False, unsupported)


def request(*args, **fields):
    made = IMAGES.build_request(call(*args, **fields))
    return made.url.rpartition("/")[2], orjson.loads(made.body)


def parse(answer, asked=None):
    return IMAGES.parse_response(asked or call(), UpstreamResponse(200, {}, orjson.dumps(answer)))


def candidate(*parts, finish="STOP", **more):
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": finish}], **more}


def image(**more):
    return {"inlineData": {"mimeType": "image/png", "data": DATA}, **more}


def test_gemini_is_asked_by_generate_content():
    method, body = request(size="1536x1024")
    assert method == "gemini-2.5-flash-image:generateContent"
    assert body["contents"][0]["parts"] == [{"text": "A lighthouse"}]
    assert body["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "3:2"},
    }


def test_newer_models_make_larger_images():
    _, body = request("gemini-3-pro-image", size="2048x2048")
    assert body["generationConfig"]["imageConfig"] == {"aspectRatio": "1:1", "imageSize": "2K"}


def test_imagen_is_asked_by_predict():
    method, body = request("imagen-4.0-generate-001", n=2, size="1024x1024")
    assert method == "imagen-4.0-generate-001:predict"
    assert body == {
        "instances": [{"prompt": "A lighthouse"}],
        "parameters": {"sampleCount": 2, "aspectRatio": "1:1"},
    }


def test_the_nearest_shape_is_reported():
    asked = call("imagen-4.0-generate-001", size="1536x1024", quality="high", user="u")
    body = orjson.loads(IMAGES.build_request(asked).body)
    assert body["parameters"]["aspectRatio"] == "4:3"
    assert sorted(asked.dropped) == ["quality", "size", "user"]


def test_what_holds_without_it_is_not_reported():
    asked = call(size="auto", quality="auto", background="opaque", response_format="b64_json", n=1)
    IMAGES.build_request(asked)
    assert asked.dropped == []


@pytest.mark.parametrize(
    ("fields", "param"), [({"n": 2}, "n"), ({"background": "transparent"}, "background")]
)
def test_what_gemini_cannot_do_is_refused_by_name(fields, param):
    with pytest.raises(ApiError) as refused:
        request(**fields)
    assert refused.value.param == param


def test_drafts_of_its_thoughts_are_no_images():
    usage = {
        "promptTokenCount": 6,
        "candidatesTokenCount": 1290,
        "thoughtsTokenCount": 10,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    }
    made = parse(candidate(image(thought=True), {"text": "Here"}, image(), usageMetadata=usage))
    assert made["data"] == [{"b64_json": DATA}]
    assert made["usage"]["output_tokens_details"]["image_tokens"] == 1290
    assert (made["usage"]["input_tokens"], made["usage"]["output_tokens"]) == (6, 1300)


def test_a_url_is_one_of_data():
    (item,) = parse(candidate(image()), call(response_format="url"))["data"]
    assert item == {"url": f"data:image/png;base64,{DATA}"}


def test_imagen_reports_no_usage():
    made = parse({"predictions": [{"bytesBase64Encoded": DATA}, {"raiFilteredReason": "x"}]})
    assert made["data"] == [{"b64_json": DATA}]
    assert "usage" not in made


@pytest.mark.parametrize(
    "answer",
    [
        {"predictions": [{"raiFilteredReason": "x"}]},
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"candidates": [{"finishReason": "IMAGE_SAFETY"}]},
    ],
)
def test_what_a_filter_refuses_is_the_clients_to_know(answer):
    with pytest.raises(ProviderError) as refused:
        parse(answer)
    assert (refused.value.status, refused.value.code) == (400, "content_policy_violation")


@pytest.mark.parametrize(
    "answer", [candidate({"text": "No."}), {}, {"predictions": "x"}, {"candidates": 5}]
)
def test_no_image_is_the_vendors_fault(answer):
    with pytest.raises(ProviderError) as failed:
        parse(answer)
    assert failed.value.status == 502

"""Batches of the router beside those of a vendor: the model of the lines decides where one goes."""

import pytest

from ....batch_vendor import line
from ....file_vendor import KEY
from ....passing import eventually, submit
from ....support import DEADLINE

pytestmark = pytest.mark.gen_test(timeout=DEADLINE)


@pytest.fixture
def app_files(batch_vendor):
    return {
        "router.toml": f"""
        [passthrough]
        provider = "openai"
        [batches]
        by_router = true
        [providers.openai]
        type = "openai"
        api_key = "{KEY}"
        base_url = "{batch_vendor.url}"
        models = ["gpt-4o"]
        [providers.echo]
        type = "echo"
        models = ["echo"]
        """
    }


async def test_the_model_of_the_lines_decides(ann, bob, batch_vendor):
    _, theirs = await submit(ann, line(1, "gpt-4o"))
    assert list(batch_vendor.batches) == [theirs["id"]]
    code, own = await submit(ann, line(1, "echo"), line(2, "echo"))
    assert code == 200, own
    assert own["input_file_id"] in batch_vendor.content, "its lines came from the vendor"
    assert list(batch_vendor.batches) == [theirs["id"]]

    async def completed():
        _, found = await ann.ask("GET", f"/v1/batches/{own['id']}")
        return found if found["status"] == "completed" else None

    done = await eventually(completed)
    assert done["request_counts"]["completed"] == 2
    content = await ann.ask("GET", f"/v1/files/{done['output_file_id']}/content", raw=True)
    assert len(content.body.splitlines()) == 2
    code, answer = await submit(ann, line(1, "nothing"))
    assert (code, answer["error"]["code"]) == (404, "model_not_found")
    for path, mine in (
        ("/v1/batches", [own["id"], theirs["id"]]),
        ("/v1/files", [done["output_file_id"], *reversed(batch_vendor.content)]),
    ):
        found, after = [], ""
        while True:
            _, page = await ann.ask("GET", f"{path}?limit=1{after}")
            assert "data" in page, (path, after, page)
            found += [item["id"] for item in page["data"]]
            after = f"&after={page['last_id']}"
            if not page["has_more"]:
                break
        assert found == mine
        assert (await bob.ask("GET", path))[1]["data"] == []
        assert (await bob.ask("GET", f"{path}/{mine[0]}"))[0] == 404

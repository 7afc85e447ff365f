"""A router.toml that was imported, at work; plugins/import-litellm has the other tests."""

from collections import Counter

import pytest

pytestmark = pytest.mark.sqlite_suffices


def test_what_was_imported_serves(router_project, upstream):
    deployments = "".join(
        f"  - model_name: fast\n    litellm_params:\n      model: openai/ok\n"
        f"      api_base: {upstream.url}/v1\n      api_key: os.environ/{name}\n"
        for name in ("KEY_A", "KEY_B")
    )
    project = router_project({"config.yaml": f"model_list:\n{deployments}"})
    assert project.cli("import", "litellm", "config.yaml").returncode == 0
    path = project.folder / "router.toml"
    path.write_text(
        '[log]\nformat = "json"\n' + path.read_text().replace("port = 4000", "port = 0")
    )
    router = project.serve(KEY_A="sk-a", KEY_B="sk-b")
    hello = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
    for _ in range(20):
        assert router.post(hello).status == 200
    keys = Counter(dict(item["headers"])["Authorization"] for item in upstream.exchanges())
    assert set(keys) == {"Bearer sk-a", "Bearer sk-b"}

"""Every module has the file that tests it, and nothing is tested twice under another name."""

import ast
from pathlib import Path

import pytest

import tornado_router

PACKAGE = Path(tornado_router.__file__).parent
TESTS = Path(__file__).parent

UNTESTED = {
    "__init__": "a version",
    "calls/upstream/__init__": "what it imports is tested where it stands",
    "calls/upstream/interface": "what the clients are held against by the type checker",
    "config/worker_variables": "three names, tested with the metrics and the supervisor",
    "http/services": "what it holds is tested where that is made",
    "storage/migrations/0001_initial": "run by every test of the database; see test_tables",
    "storage/migrations/0002_accounts_and_limits": "the same",
    "storage/migrations/0003_kept_answers_and_requests": "the same",
    "storage/migrations/0004_request_log_by_request_id": "the same",
    "storage/migrations/0005_bigint_usage_day_ids": "tested with the ledger, which needs it",
    "storage/migrations/0006_no_balance_below_zero": "tested with the migrator",
    "storage/migrations/0007_unpriced_calls": "run by every test of the database; see test_tables",
    "storage/migrations/0008_stored_responses": "the same",
    "storage/migrations/0009_responses_by_user": "the same",
    "storage/migrations/0010_stored_items": "the same",
    "storage/migrations/0011_stored_events": "the same",
    "storage/migrations/0012_amounts_of_usage": "the same",
    "storage/migrations/0013_resources": "the same",
    "storage/migrations/0014_batches": "the same",
    "storage/migrations/0015_kept_batches": "the same",
    "storage/migrations/0016_id_numbers": "the same",
    "validation/__init__": "what it imports is tested where it stands",
}
"""Modules without a test file of their own, and why. A package's docstring needs none."""

ELSEWHERE = {
    "background/inflating": "http/test_content_encoding.py",
    "accounts/email_syntax": "accounts/test_text.py",
    "calls/attempts": "calls/test_attempt.py",
    "calls/call_record": "calls/test_account.py",
    "calls/permissions": "calls/test_admission.py",
    "calls/client": "calls/test_delivery.py",
    "calls/missing_model": "http/handlers/test_models.py",
    "calls/event_rows": "calls/test_kept_events.py",
    "calls/item_rows": "calls/test_stored_items.py",
    "endpoints/audio_transcriptions": "endpoints/test_audio_texts.py",
    "endpoints/audio_translations": "endpoints/test_audio_texts.py",
    "endpoints/openai_events": "endpoints/test_audio_texts.py",
    "calls/origins": "http/handlers/passed/test_named.py",
    "endpoints/named_resources": "http/handlers/passed/test_named.py",
    "accounts/batch_holds": "http/handlers/passed/test_batches.py",
    "calls/passed/batches/lines": "http/handlers/passed/test_batches.py",
    "calls/passed/batches/money": "http/handlers/passed/test_batches.py",
    "calls/passed/batches/poller": "http/handlers/passed/test_batches.py",
    "calls/passed/batches/rows": "http/handlers/passed/test_batches.py",
    "calls/passed/batches/service": "http/handlers/passed/test_batches.py",
    "calls/passed/batches/submission": "http/handlers/passed/test_batches.py",
    "calls/passed/batches/vendor_files": "http/handlers/passed/test_batches.py",
    "calls/collector": "http/handlers/test_stored_responses.py",
    "calls/passed/batches/reading": "http/handlers/passed/test_batches.py",
    "calls/passed/errand": "http/handlers/passed/test_passed.py",
    "calls/passed/kept/batch_rows": "http/handlers/passed/test_kept.py",
    "calls/passed/kept/file_rows": "http/handlers/passed/test_kept.py",
    "calls/passed/kept/keeper": "http/handlers/passed/test_kept.py",
    "calls/passed/kept/lines": "http/handlers/passed/test_kept.py",
    "calls/passed/kept/names": "http/handlers/passed/test_kept_beside.py",
    "calls/passed/kept/objects": "http/handlers/passed/test_kept.py",
    "calls/passed/kept/run": "http/handlers/passed/test_kept.py",
    "calls/passed/kept/runner": "http/handlers/passed/test_kept.py",
    "calls/passed/kept/slots": "http/handlers/passed/test_kept.py",
    "calls/passed/kept/submission": "http/handlers/passed/test_kept.py",
    "calls/passed/kept/uploading": "http/handlers/passed/test_kept.py",
    "runtime/batch_tasks": "http/handlers/passed/test_kept.py",
    "storage/kept_tables": "storage/test_tables.py",
    "runtime/passed_requests": "http/handlers/passed/test_batches.py",
    "calls/passed/request": "http/handlers/passed/test_passed.py",
    "calls/passed/resumable": "http/handlers/passed/test_resumable.py",
    "calls/passed/story": "http/handlers/passed/test_passed.py",
    "calls/passed/uploads": "http/handlers/passed/test_passed.py",
    "calls/resource_rows": "calls/test_resources.py",
    "endpoints/passed": "http/handlers/passed/test_passed.py",
    "calls/client_socket": "e2e/test_realtime.py",
    "http/handlers/responses": "e2e/test_responses_socket.py",
    "http/handlers/socket_writer": "e2e/test_responses_socket.py",
    "calls/realtime/dialing": "e2e/test_realtime.py",
    "calls/realtime/meter": "e2e/test_realtime.py",
    "calls/realtime/opening": "e2e/test_realtime.py",
    "calls/realtime/responses": "e2e/test_realtime.py",
    "calls/realtime/session": "e2e/test_realtime.py",
    "endpoints/images_variations": "endpoints/test_images_edits.py",
    "endpoints/item_references": "calls/test_stored_items.py",
    "calls/response_rows": "calls/test_stored_responses.py",
    "calls/upstream/aiohttp_client": "calls/upstream/test_client.py",
    "calls/upstream/llhttp_client": "calls/upstream/test_client.py",
    "calls/upstream/bounds": "calls/upstream/test_client.py",
    "calls/upstream/event_hold": "calls/upstream/test_body.py",
    "calls/upstream/exchange": "calls/upstream/test_connection.py",
    "calls/upstream/failures": "calls/upstream/test_client.py",
    "calls/upstream/inflated_body": "calls/upstream/test_body.py",
    "calls/upstream/uploads": "calls/upstream/test_client.py",
    "cli/__main__": "e2e/test_cli.py",
    "cli/backup_commands": "e2e/test_cli_database.py",
    "cli/cache_commands": "e2e/test_cache.py",
    "cli/check_command": "e2e/test_cli.py",
    "cli/common": "e2e/test_cli.py",
    "cli/credit_commands": "e2e/test_cli_accounts.py",
    "cli/database_commands": "e2e/test_cli_database.py",
    "cli/health_command": "e2e/test_overload.py",
    "cli/invite_commands": "e2e/test_cli_accounts.py",
    "cli/key_commands": "e2e/test_cli_accounts.py",
    "cli/key_options": "cli/test_open_accounts.py",
    "cli/main": "e2e/test_cli.py",
    "cli/openapi_command": "e2e/test_cli.py",
    "cli/plan_commands": "e2e/test_cli_accounts.py",
    "cli/plugins_group": "e2e/test_cli.py",
    "cli/running_commands": "runtime/test_pid_file.py",
    "cli/serve_command": "e2e/test_cli.py",
    "cli/usage_command": "cli/test_open_accounts.py",
    "cli/user_commands": "e2e/test_cli_accounts.py",
    "error_codes/failure": "test_error_codes.py",
    "error_codes/invalid": "test_error_codes.py",
    "error_codes/refusal": "test_error_codes.py",
    "http/application": "http/test_body_limit.py",
    "http/descriptions": "http/handlers/test_documentation.py",
    "http/header_names": "http/test_response_headers.py",
    "http/client_stream": "http/test_half_closed.py",
    "http/kernel_buffers": "http/test_fronts.py",
    "http/handlers/realtime": "e2e/test_realtime.py",
    "http/llhttp/front": "http/test_fronts.py",
    "http/llhttp/owner": "http/test_fronts.py",
    "http/llhttp/tunnel": "http/test_websocket.py",
    "http/objects/billing": "http/handlers/test_admin.py",
    "http/objects/current_key": "http/handlers/test_current_key.py",
    "http/objects/keys": "http/handlers/test_keys.py",
    "http/objects/request_logs": "http/handlers/test_admin.py",
    "http/objects/service": "http/handlers/test_health.py",
    "http/openapi/__init__": "http/openapi/test_document.py",
    "http/openapi/components": "http/openapi/test_document.py",
    "http/openapi/headers": "http/openapi/test_document.py",
    "http/openapi/operations/__init__": "http/openapi/test_document.py",
    "http/openapi/operations/admin": "http/openapi/test_document.py",
    "http/openapi/operations/auth": "http/openapi/test_document.py",
    "http/openapi/operations/base": "http/openapi/test_document.py",
    "http/openapi/operations/calls": "http/openapi/test_document.py",
    "http/openapi/operations/keys": "http/openapi/test_document.py",
    "http/openapi/operations/passed": "http/openapi/test_document.py",
    "http/openapi/operations/realtime": "http/openapi/test_document.py",
    "http/openapi/operations/responses": "http/openapi/test_document.py",
    "http/openapi/operations/service": "http/openapi/test_document.py",
    "http/openapi/operations/usage": "http/openapi/test_document.py",
    "http/openapi/schemas": "http/openapi/test_document.py",
    "http/streamed_body": "http/handlers/passed/test_streams.py",
    "http/tornado_front": "http/test_fronts.py",
    "provider/chunk_reader": "provider/test_base.py",
    "provider/pass_through": "http/handlers/passed/test_passed.py",
    "provider/translator": "provider/test_base.py",
    "routing/price_list/types": "routing/test_price_list.py",
    "runtime/reload": "e2e/test_reload.py",
    "runtime/supervisor": "e2e/test_workers.py",
    "runtime/worker": "e2e/test_workers.py",
    "storage/drivers": "storage/test_peewee_private.py",
    "storage/sql": "storage/test_peewee_private.py",
}
"""Modules whose tests are not where their names say."""

NOT_MODULES = ("testing/", "scaffold/template/")
"""The conformance kit is tested by good and broken providers in tests/testing, not by module; the
template of a plugin is no code of ours until somebody fills it in."""


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix()
        if not name.startswith(NOT_MODULES) and not is_docstring(path):
            yield name


def is_docstring(path):
    return path.name == "__init__.py" and len(ast.parse(path.read_text()).body) == 1


def places(name):
    """Where the tests of a module may be: a package's own are in its file or its folder."""
    if name in ELSEWHERE:
        return [ELSEWHERE[name]]
    name = name.removesuffix("/__init__")
    folder, _, module = name.rpartition("/")
    return [f"{folder}/test_{module}.py".lstrip("/"), f"{name}/test_{module}.py"]


@pytest.mark.parametrize("name", modules())
def test_every_module_has_a_test_file(name):
    there = [place for place in dict.fromkeys(places(name)) if (TESTS / place).is_file()]
    if name in UNTESTED:
        assert there == [], f"{name} has tests, so it needs no excuse"
    else:
        assert len(there) == 1, f"write one of {places(name)}"


def test_every_excuse_is_for_a_module():
    assert {*UNTESTED, *ELSEWHERE} <= set(modules())


def test_the_kit_is_tested():
    assert list((TESTS / "testing").glob("test_*.py"))

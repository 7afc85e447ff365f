"""What users of other gateways have lost money or calls by, and the tests that it fails here.

The tests stand where what they test does; this table only holds them together, so that none is
taken out as if it were like any other.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FAILURES = {
    "a balance is read, then deducted: calls at once oversell it": [
        "proof/test_money.py::test_credits_for_400_serve_exactly_400_of_1000",
        "tests/limits/behaviour.py::test_a_purse_pays_for_exactly_as_many_as_it_can",
    ],
    "users with plenty of money skip the reservation": [
        "tests/calls/test_admission.py::test_reserves_and_gives_back",
        "tests/limits/behaviour.py::test_each_purse_pays_the_whole",
    ],
    "some scopes, or the first call of a user, are checked and then added to": [
        "tests/limits/behaviour.py::test_all_is_taken_or_nothing",
        "tests/e2e/test_limits.py::test_a_budget_holds_beside_credits",
    ],
    "reservations of the worst case pin a budget of which little is spent": [
        "tests/calls/test_admission.py::test_what_is_learned_is_reserved",
        "tests/e2e/test_limits.py::test_calls_without_a_bound_come_to_no_more_than_there_is",
    ],
    "long prompts are reserved at the lower tier": [
        "tests/routing/test_prices.py::test_an_estimate_is_never_too_low",
        "tests/routing/test_prices.py::test_tiers_hold_for_the_whole_call",
    ],
    "a long stream goes on when the money is gone": [
        "tests/e2e/test_limits.py::test_a_stream_that_outlasts_the_credits_ends_with_length",
        "tests/calls/test_account.py::test_a_stream_ends_properly_when_the_money_is_gone",
    ],
    "a client that leaves pays nothing": [
        "proof/test_money.py::test_streams_that_clients_leave_are_charged_and_free_what_they_held",
        "tests/calls/test_account.py::test_a_client_that_leaves",
    ],
    "a call that is cancelled at the vendor has no usage": [
        "tests/e2e/test_streaming.py::test_client_that_leaves_in_mid_stream_cancels_it_and_pays_for_what_was_made",
    ],
    "an explicit zero counts as missing": [
        "tests/endpoints/test_openai_usage.py::test_zero_is_believed",
        "tests/endpoints/test_openai_stream.py::test_of_zero_is_believed",
    ],
    "negative usage refills a quota": [
        "tests/endpoints/test_openai_usage.py::test_what_cannot_be_true_is_not_believed",
        "plugins/anthropic/tests/test_response.py::test_usage_that_makes_no_sense_is_left_out",
    ],
    "what is queued to be recorded is lost when a process ends": [
        "tests/e2e/test_killed.py::test_every_answer_that_was_given_is_recorded_once",
        "tests/ledger/test_writer.py::test_a_stop_leaves_the_journal_to_the_next_start",
    ],
    "many writers deadlock": [
        "tests/ledger/test_writer.py::test_a_batch_is_written_whole_or_not_at_all",
        "tests/storage/test_storage.py::test_many_at_once",
    ],
    "a failed write is forgotten": [
        "tests/ledger/test_writer.py::test_a_database_that_is_away_for_a_while_loses_nothing",
        "tests/e2e/test_killed.py::test_a_database_that_is_locked_for_a_while_holds_nobody_up",
    ],
    "models without a price are free": [
        "tests/calls/test_admission.py::test_a_model_without_a_price_is_refused_to_who_pays",
        "tests/calls/test_admission.py::test_a_default_price",
    ],
    "prices come from the network, and go with it": [
        "tests/routing/test_prices.py::test_nothing_is_fetched",
    ],
    "a field of usage is dropped on the way of one provider": [
        "plugins/anthropic/tests/test_pitfalls.py::test_12_cache_writes_may_come_by_time_to_live_only",
        "plugins/google/tests/test_pitfalls.py::test_completion_tokens_include_thoughts",
        "tests/testing/test_shapes.py::test_usage_that_does_not",
    ],
    "free models are refused with a spent budget": [
        "tests/limits/behaviour.py::test_what_costs_nothing_passes_an_empty_purse",
        "tests/calls/test_admission.py::test_free_calls_need_no_credits",
    ],
    "rates hold for each process alone": [
        "proof/test_rates.py::test_tokens_in_a_minute",
        "tests/e2e/test_redis.py::test_a_limit_is_one_for_both",
    ],
    "budgets hold for each process alone": [
        "proof/test_money.py::test_a_budget_of_a_key_holds_beside_credits",
        "tests/e2e/test_redis.py::test_credits_are_one_for_both",
    ],
    "a Redis that hangs, hangs all calls": [
        "tests/limits/test_redis.py::test_a_slow_redis_is_an_absent_one",
        "tests/e2e/test_redis.py::test_redis_is_away_and_comes_back",
        "tests/e2e/test_redis.py::test_policies",
    ],
    "without Redis, each process lets the whole limit pass": [
        "tests/limits/test_guarded.py::test_a_share_of_rates",
        "tests/limits/test_guarded.py::test_a_share_of_what_is_left_of_the_money",
    ],
    "a limit of 0 is none": [
        "tests/e2e/test_limits.py::test_a_limit_of_zero_lets_nothing_pass",
        "tests/limits/behaviour.py::test_0_is_nothing_and_none_is_no_limit",
    ],
    "a 429 does not say when to come back": [
        "tests/e2e/test_limits.py::test_the_sdks_own_retry_succeeds_by_honouring_the_headers",
        "tests/limits/behaviour.py::test_who_comes_back_when_told_to_may_pass",
    ],
    "calls at once have no limit": [
        "proof/test_rates.py::test_calls_at_once",
        "tests/limits/behaviour.py::test_calls_in_flight",
    ],
    "memory grows until the process is killed": [
        "chaos/test_soak.py::test_nothing_grows",
        "chaos/test_memory.py::test_vendors_do_not_end",
    ],
    "tokenizers and blocking clients hold up the event loop": [
        "tests/storage/test_storage.py::test_never_on_the_thread_of_the_loop",
        "tests/observability/test_loop_watchdog.py::test_a_block_is_seen_by_who_comes_later",
    ],
    "clients of vendors are closed while calls use them": [
        "tests/e2e/test_reload.py::test_a_stream_goes_on_whose_provider_is_gone",
        "tests/e2e/test_reload.py::test_no_call_is_lost_while_files_change",
    ],
    "a router serves on the wrong schema": [
        "tests/storage/test_storage.py::test_that_lacks_is_refused_where_nobody_migrates",
        "tests/storage/test_migrator.py::test_a_newer_schema_is_refused_and_left_alone",
    ],
    "a text that looks like the call of a tool, or is one, comes as the other": [
        "tests/endpoints/bridges/responses_to_chat/test_response.py"
        "::test_a_text_that_looks_like_a_call_is_a_text",
    ],
    "a websocket that is only tried is billed": [
        "tests/e2e/test_responses_socket.py::test_one_is_prepared_without_the_vendor",
    ],
    "a tool without a description is refused by the vendor": [
        "plugins/anthropic/tests/test_tools.py::test_an_empty_description_is_left_out",
        "plugins/google/tests/test_tools.py::test_an_empty_description_is_left_out",
    ],
    "a stream that breaks off looks whole": [
        "plugins/anthropic/tests/test_pitfalls.py::test_25_a_truncated_stream_is_a_failure",
        "plugins/anthropic/tests/test_native.py::test_one_that_breaks_off_is_a_failure",
        "plugins/google/tests/test_pitfalls.py::test_a_truncated_stream_is_a_failure",
        "plugins/openai/tests/test_responses.py::test_a_stream_that_is_cut_is_an_error",
    ],
}


@pytest.mark.parametrize("failure", FAILURES)
def test_each_has_its_tests(failure):
    for test in FAILURES[failure]:
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        names = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert name in names, f"{test} is not there any more"

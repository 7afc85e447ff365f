"""A row for each kind of limit is all that engines, keys, plans and commands need."""

from dataclasses import fields

from tornado_router.cli.key_commands import create_key
from tornado_router.config.options import PlanOptions
from tornado_router.http.objects.keys import ApiKey, KeyFields, Plan
from tornado_router.limits.kinds import KINDS, Rates
from tornado_router.storage import tables


def test_every_kind_is_a_field_of_rates():
    names = [field.name for field in fields(Rates) if field.init]
    assert names == ["holder", *(kind.name for kind in KINDS)]


def test_every_kind_is_an_option_of_plans_keys_and_commands():
    options = {kind.option for kind in KINDS}
    assert options <= {field.name for field in fields(PlanOptions)}
    assert options <= {*Plan.__struct_fields__} & {*ApiKey.__struct_fields__}
    assert options <= {*KeyFields.__struct_fields__}
    assert options <= {param.name for param in create_key.params}


def test_every_kind_is_a_column():
    assert {kind.column for kind in KINDS} <= {*tables.ApiKey._meta.fields}


def test_a_rate_without_limits_is_not_limited():
    assert Rates("key:1").bounds == ()
    assert Rates("key:1", in_flight=0).bounds == ((2, 0, 0, False),)


def test_the_fewest_tokens_are_those_of_token_limits():
    assert Rates("key:1", requests=1, in_flight=2).fewest_tokens is None
    assert Rates("key:1", requests=1, tokens=70).fewest_tokens == 70

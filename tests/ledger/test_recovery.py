"""Calls of routers that were killed: recorded by the next one, whatever the journal looks like."""

from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from tornado_router.ledger import codec, writer
from tornado_router.ledger.record import Charge
from tornado_router.ledger.recovery import recover
from tornado_router.usage import RARE

from .books import begun, call, flat, kill, open_ledger, write


class TestKilled:
    @pytest.fixture(autouse=True)
    def still(self, monkeypatch):
        """The thread takes nothing by itself."""
        monkeypatch.setattr(writer, "FLUSH_SECONDS", 3600.0)

    def test_finished_calls_are_recorded_by_the_next(self, storage, user, rows):
        book = open_ledger(storage)
        for number in range(2000):
            book.begin(begun(number))
            book.add(call(number))
        kill(book)
        assert rows() == []
        open_ledger(storage).close()
        assert [row["call_id"] for row in rows()] == [f"req_{number}" for number in range(2000)]
        assert {row["status"] for row in rows()} == {200}
        assert list(storage.journal.iterdir()) == []

    def test_calls_that_ran_are_recorded_as_interrupted_with_what_is_known(
        self, storage, user, rows
    ):
        book = open_ledger(storage)
        book.begin(begun(1))
        book.begin(begun(2))
        book.note(call(2, completion_tokens=5, cost=Decimal("0.000000003")))
        book.begin(begun(3))
        book.add(call(3))
        kill(book)
        open_ledger(storage).close()
        found = {row["call_id"]: row for row in rows()}
        assert [
            (row["status"], row["error_code"]) for row in map(found.get, ("req_1", "req_2"))
        ] == [
            (500, "interrupted"),
            (500, "interrupted"),
        ]
        assert (found["req_2"]["completion_tokens"], found["req_2"]["cost"]) == (5, 3)
        nothing = {"provider": None, "cost": 0, "prompt_tokens": 0, "first_chunk_ms": None}
        assert found["req_1"] == found["req_1"] | nothing
        assert found["req_1"]["request_id"] == "client-1"
        assert (found["req_1"]["user_id"], found["req_1"]["api_key_id"]) == (1, 1)
        assert found["req_1"]["created_at"] > "2026"
        assert found["req_3"]["status"] == 200

    def test_a_call_that_runs_for_long_is_known_whatever_ends_meanwhile(self, storage, user, rows):
        book = open_ledger(storage)
        book.begin(begun("long"))
        for number in range(5000):
            book.add(call(number))
        assert book._work()
        kill(book)
        open_ledger(storage).close()
        assert len(rows()) == 5001
        assert rows()[-1]["error_code"] == "interrupted"

    def test_what_was_written_already_is_not_written_again(self, storage, user, rows):
        book = open_ledger(storage)
        for number in range(10):
            book.add(call(number))
        assert book._work()
        kill(book)
        open_ledger(storage).close()
        assert len(rows()) == 10

    def test_a_living_router_is_let_alone(self, storage, user, rows):
        book = open_ledger(storage)
        book.note(call(1))
        open_ledger(storage).close()
        assert rows() == []
        book.add(call(1))
        book.close()
        assert [row["status"] for row in rows()] == [200]

    def test_a_journal_of_another_version(self, storage, user, rows):
        folder = storage.journal
        folder.mkdir()
        values = flat(call(1)) | {"new": "field", "cost": "0.5", "uncharged": "0"}
        values = dict(sorted(values.items()))
        records = [["fields", ["call_id", "odd"], list(values)], [2, *values.values()]]
        records.append([0, "req_2", "odd"])
        content = b"".join(orjson.dumps(record) + b"\n" for record in records)
        (folder / "1-old-1.journal").write_bytes(content)
        open_ledger(storage).close()
        assert [(row["call_id"], row["cost"]) for row in rows()] == [
            ("req_1", 500_000_000),
            ("req_2", 0),
        ]


BEFORE = Path(__file__).parent / "journals" / "before_checksums.journal"
"""Of the version before records had checksums, which was killed: two calls ran, nine had ended."""


def test_the_journal_of_the_version_before(storage, user, rows, alarms):
    storage.journal.mkdir()
    (storage.journal / "1-old-1.journal").write_bytes(BEFORE.read_bytes())
    open_ledger(storage).close()
    found = {row["call_id"]: row for row in rows()}
    assert sorted(found) == sorted(f"req_{number}" for number in range(1, 12))
    assert found["req_3"] | {"id": 1} == {
        "id": 1,
        "call_id": "req_3",
        "request_id": "client-3",
        "user_id": 1,
        "api_key_id": 1,
        "endpoint": "chat.completions",
        "provider": "openai",
        "model": "naïve-3",
        "target_model": "gpt-5.2-mini",
        "stream": 1,
        "status": 200,
        "error_code": None,
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "cached_tokens": 3,
        "cache_write_tokens": 4,
        "reasoning_tokens": 2,
        **dict.fromkeys(RARE, 0),
        "usage_estimated": 0,
        "cache_hit": 0,
        "cost": 25,
        "uncharged": 3,
        "from_credits": 1,
        "prices": '{"input":"1"}',
        "duration_ms": 1500.0,
        "first_chunk_ms": 250.0,
        "created_at": "2027-01-15 08:00:00.500000",
    }
    ended = {
        name: (row["status"], row["cost"], row["completion_tokens"]) for name, row in found.items()
    }
    assert ended["req_1"] == (500, 0, 0)
    assert ended["req_2"] == (500, 12, 3)
    assert ended["req_11"] == (404, 0, 0)
    assert alarms == []
    assert list(storage.journal.iterdir()) == []


class TestDamaged:
    """A journal with a hole or garbage in it, as a loss of power may leave it."""

    @pytest.fixture(autouse=True)
    def still(self, monkeypatch):
        monkeypatch.setattr(writer, "FLUSH_SECONDS", 3600.0)

    @pytest.fixture
    def damage(self, storage, user):
        """Changes the journal of a router that was killed after a hundred calls."""

        def damage(change):
            book = open_ledger(storage)
            for number in range(100):
                book.begin(begun(number))
                book.add(call(number))
            kill(book)
            (path,) = storage.journal.iterdir()
            data = bytearray(path.read_bytes())
            change(data)
            path.write_bytes(data)
            return path

        return damage

    def check(self, storage, rows, alarms, path, least):
        """The next start serves, records the rest, and sets the file aside."""
        book = open_ledger(storage)
        lost = book.lost
        book.close()
        found = {row["call_id"]: row for row in rows()}
        assert least <= len(found) <= 100
        whole = [row for row in found.values() if row["error_code"] is None]
        assert all((row["cost"], row["prompt_tokens"]) == (25, 11) for row in whole)
        assert lost > 0
        assert [item.name for item in storage.journal.iterdir()] == [path.name + ".damaged"]
        assert f"the journal file {path.name} is damaged" in alarms[0]
        write(storage, call("later"))
        assert len(rows()) == len(found) + 1

    def test_a_hole(self, storage, rows, alarms, damage):
        def change(data):
            data[8192:12288] = bytes(4096)

        self.check(storage, rows, alarms, damage(change), least=80)

    def test_a_hole_at_the_start(self, storage, rows, alarms, damage):
        def change(data):
            data[:4096] = bytes(4096)

        self.check(storage, rows, alarms, damage(change), least=80)

    def test_garbage_with_line_breaks(self, storage, rows, alarms, damage):
        def change(data):
            data[8192:8200] = b'\n\xff[2,"\r\n'

        self.check(storage, rows, alarms, damage(change), least=98)

    def test_a_flipped_digit(self, storage, rows, alarms, damage):
        def change(data):
            data[data.index(b'"25e-9"', 5000) + 1] ^= 1

        self.check(storage, rows, alarms, damage(change), least=99)

    def test_a_flipped_letter_in_the_names_of_values(self, storage, rows, alarms, damage):
        def change(data):
            data[data.index(b"prompt_tokens")] ^= 1

        damage(change)
        open_ledger(storage).close()
        assert [row["prompt_tokens"] for row in rows()] == [11] * 100
        assert alarms == []

    def test_a_hole_in_the_journal_of_the_version_before(self, storage, user, rows, alarms):
        storage.journal.mkdir()
        path = storage.journal / "1-old-1.journal"
        data = bytearray(BEFORE.read_bytes())
        data[2000:2100] = bytes(100)
        path.write_bytes(data)
        open_ledger(storage).close()
        assert {row["call_id"] for row in rows()} >= {f"req_{number}" for number in range(5, 12)}
        assert [item.name for item in storage.journal.iterdir()] == [path.name + ".damaged"]
        assert "is damaged: 1 records cannot be read, at byte 1904; it is now" in alarms[0]

    @pytest.mark.parametrize("kind", ["begun", "running", "finished"])
    @pytest.mark.parametrize("harm", ["flip", "zero", "break", "cut", "hole"])
    def test_whatever_byte_of_a_record_is_damaged_the_others_are_read(self, tmp_path, kind, harm):
        """Each byte in turn, its line break with it, of a record in the middle and of the last."""
        records = [
            codec.HEADER,
            codec.encode_finished(call(1)),
            {
                "begun": codec.encode_begun(begun(2)),
                "running": codec.encode_running(call(2)),
                "finished": codec.encode_finished(call(2)),
            }[kind],
            codec.encode_finished(call(3)),
        ]
        for at in (2, 3):
            before = b"".join(record + b"\n" for record in records[:at])
            for place in range(len(before), len(before) + len(records[at]) + 1):
                data = bytearray(b"".join(record + b"\n" for record in records) + bytes(100))
                if harm == "cut":
                    del data[place:]
                elif harm == "hole":
                    data[place : place + 8] = bytes(8)
                elif harm == "flip":
                    data[place] ^= 1 << (place % 8)
                else:
                    data[place] = {"zero": 0, "break": 10}[harm]
                written, damaged, left = self.recovered(tmp_path, bytes(data))
                spared = {f"req_{number}" for number in (1, 2, 3)}
                spared -= {f"req_{at}"} if place < len(before) + len(records[at]) else set()
                if harm == "cut":
                    spared = {name for name in spared if name <= f"req_{at}"}
                if harm == "hole" and place + 8 > len(before) + len(records[at]) + 1:
                    spared -= {"req_3"}
                assert spared <= written.keys(), (place, harm)
                for name in written:
                    number = int(name[-1])
                    is_whole = number != 2 or kind == "finished"
                    assert written[name].charge == (
                        call(number).charge if is_whole or kind == "running" else Charge()
                    )
                lost = {"req_1", "req_2", "req_3"} - written.keys()
                if lost and harm != "cut":
                    assert damaged
                assert (left == ["1-a-1.journal.damaged"]) == bool(damaged)

    @staticmethod
    def recovered(folder, data):
        """What recovery writes from a file with this content, how much is damaged, what stays."""
        for path in folder.iterdir():
            path.unlink()
        (folder / "1-a-1.journal").write_bytes(data)
        written = {}

        def write(calls):
            written.update((one.call_id, one) for one in calls)
            return len(calls)

        damaged = recover(folder, write, 10**6)
        return written, damaged, [path.name for path in folder.iterdir()]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("finished_at", "soon"),
            ("finished_at", 1e300),
            ("duration", None),
            ("prompt_tokens", "11"),
            ("cost", "much"),
            ("status", True),
            ("dropped_params", 5),
        ],
    )
    def test_values_of_wrong_types(self, storage, user, rows, alarms, name, value):
        storage.journal.mkdir()
        values = flat(call(1)) | {"cost": "0", "uncharged": "0", name: value}
        records = [["fields", ["call_id"], list(values)], [2, *values.values()]]
        content = b"".join(orjson.dumps(record) + b"\n" for record in records)
        (storage.journal / "1-old-1.journal").write_bytes(content)
        open_ledger(storage).close()
        assert rows() == []
        assert "1 records cannot be read" in alarms[0]

    def test_a_file_that_may_not_be_read(self, storage, user, rows, alarms):
        (storage.journal / "1-odd-1.journal").mkdir(parents=True)
        write(storage, call(1))
        assert len(rows()) == 1
        assert "1-odd-1.journal cannot be read" in alarms[0]

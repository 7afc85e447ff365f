"""The copy of a response: no more than there is room for; whole or nothing for the cache."""

from tornado_router.calls.response_copy import ResponseCopy


def filled(room, *pieces):
    copy = ResponseCopy(room)
    for piece in pieces:
        copy.add(piece)
    return copy


def test_the_start_is_kept_and_the_size_is_known():
    copy = filled(5, b"abc", b"def", b"ghi")
    assert (copy.data(), copy.size) == (b"abcde", 9)


def test_without_room_nothing_is_kept():
    copy = filled(0, b"abc")
    assert (copy.data(), copy.size) == (b"", 3)


def test_the_most_room_that_was_asked_for_counts():
    copy = ResponseCopy()
    copy.make_room(4)
    copy.make_room(2)
    copy.add(b"abcdef")
    assert copy.data() == b"abcd"


def test_the_whole_is_all_or_nothing():
    copy = filled(6, b"abc", b"def")
    assert copy.whole(6) == b"abcdef"
    assert copy.whole(5) is None
    assert filled(5, b"abc", b"def").whole(10) is None


def test_what_is_not_to_be_kept_is_dropped():
    copy = filled(5, b"abc")
    copy.drop()
    copy.add(b"def")
    assert (copy.data(), copy.size, copy.whole(100)) == (b"", 6, None)

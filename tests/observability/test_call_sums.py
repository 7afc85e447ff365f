import pytest
from prometheus_client import CollectorRegistry, Histogram

from tests.finished import FINISHED, changed
from tornado_router.observability.call_sums import SECONDS, CallSums, Spread
from tornado_router.usage import RARE, Usage


class TestSpread:
    def test_has_a_number_in_the_bucket_where_a_histogram_has_it(self):
        numbers = (0.0, 0.05, 0.1, 0.100001, 2.5, 299.9, 300.0, 300.1, 5000.0)
        histogram = Histogram("h", "Numbers.", registry=CollectorRegistry(), buckets=SECONDS)
        spread = Spread(SECONDS)
        for number in numbers:
            histogram.observe(number)
            spread.add(number)
        assert spread.counts == [bucket.get() for bucket in histogram._buckets]
        assert spread.total == pytest.approx(histogram._sum.get())


class TestCallSums:
    def test_adds_up_what_calls_came_to(self):
        sums = CallSums()
        for usage in (Usage(5, 7, 2), Usage(5, 7, 2, images=2), Usage(5, 7, 2, seconds=0.5)):
            sums.add(changed(FINISHED, usage=usage, first_chunk=None, overhead=0.002))
        assert sums.calls == 3
        assert sums.common == (15, 21, 6, 0, 0)
        assert dict(zip(RARE, sums.rare, strict=True)) == dict.fromkeys(RARE, 0) | {
            "images": 2,
            "seconds": 0.5,
        }
        assert sums.charged == 3 * FINISHED.charge.charged
        assert sum(sums.seconds.counts) == sum(sums.overhead.counts) == 3
        assert sum(sums.first_chunk.counts) == 0

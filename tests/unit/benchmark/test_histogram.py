"""Percentiles with known answers, to half a bucket."""

from __future__ import annotations

import pytest

from deployer.benchmark.histogram import GROWTH, Histogram, bucket_of, coarser, upper_end


def histogram(*seconds: float) -> Histogram:
    found = Histogram()
    for value in seconds:
        found.add(value)
    return found


def test_percentiles_of_a_thousand_latencies_are_half_a_percent_from_the_truth():
    found = histogram(*(number / 1000 for number in range(1, 1001)))
    for percent, truth in ((50, 0.5), (90, 0.9), (95, 0.95), (99, 0.99), (99.9, 0.999), (100, 1.0)):
        assert found.percentile(percent) == pytest.approx(truth, rel=0.0051)
    assert found.size == 1000
    assert found.mean == pytest.approx(0.5005)
    assert (found.least, found.largest) == (0.001, 1.0)


@pytest.mark.parametrize("percent", [1, 50, 99.9])
def test_one_latency_is_every_percentile_exactly(percent):
    assert histogram(0.0123).percentile(percent) == 0.0123


def test_one_slow_answer_of_a_hundred_is_the_last_percentile_only():
    found = histogram(*[0.001] * 99, 2.0)
    assert found.percentile(99) == pytest.approx(0.001, rel=0.0051)
    assert found.percentile(99.9) == found.percentile(100) == 2.0


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e-6])
def test_what_is_shorter_than_a_microsecond_is_in_the_first_bucket(seconds):
    assert bucket_of(seconds) == 0


@pytest.mark.parametrize("seconds", [2e-6, 0.00123, 1.0, 3600.0])
def test_a_latency_lies_between_the_ends_of_its_bucket(seconds):
    bucket = bucket_of(seconds)
    assert upper_end(bucket) / GROWTH <= seconds * (1 + 1e-9)
    assert seconds <= upper_end(bucket) * (1 + 1e-9)


def test_merged_histograms_are_the_histogram_of_all():
    one, other, both = histogram(0.001, 0.002), histogram(0.5), histogram(0.001, 0.002, 0.5)
    one.merge(other)
    assert one == both


def test_coarser_buckets_keep_the_counts():
    found = histogram(*[0.001] * 7, 0.25, 0.25)
    buckets = list(coarser(found.counts, 10))
    assert [count for _, count in buckets] == [7, 2]
    assert [end for end, _ in buckets] == sorted(end for end, _ in buckets)
    for seconds, (end, _) in zip((0.001, 0.25), buckets, strict=True):
        assert seconds <= end <= seconds * GROWTH**10

"""What is away is logged once when it goes and once when it is back, however often it is tried in between."""

from structlog.testing import capture_logs

from weft_kit.outages import Outage


class Time:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_ten_minutes_of_failures_are_a_handful_of_lines() -> None:
    time = Time()
    outage = Outage("store lost", "store back", time)
    with capture_logs() as lines:
        for _ in range(6000):
            outage.failed(ConnectionError("refused"))
            time.now += 0.1
        outage.ended()
        outage.ended()
    assert [line["event"] for line in lines] == ["store lost"] * 5 + ["store back"]
    assert lines[0] == {
        "event": "store lost", "log_level": "warning", "error": "refused", "failures": 1, "for_s": 0,
    }  # fmt: skip
    assert [line["for_s"] for line in lines] == [0, 30, 90, 210, 450, 600]
    assert lines[-1]["failures"] == 6000


def test_what_fails_and_works_in_turn_is_spaced_out_too() -> None:
    time = Time()
    outage = Outage("store lost", "store back", time)
    with capture_logs() as lines:
        for _ in range(6000):
            outage.failed("late")
            outage.ended()
            time.now += 0.1
    assert [line["event"] for line in lines] == ["store lost", "store back"] * 5


def test_an_outage_after_a_quiet_time_is_told_at_once() -> None:
    time = Time()
    outage = Outage("store lost", "store back", time)
    with capture_logs() as lines:
        for _ in range(3):
            outage.failed(TimeoutError())
            outage.ended()
            time.now += 121
    assert [line["event"] for line in lines] == ["store lost", "store back"] * 3
    assert lines[0]["error"] == "TimeoutError"

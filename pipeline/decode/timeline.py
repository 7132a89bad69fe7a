"""Convert exactly between time stamps of a stream and milliseconds from the start of the source. Integers only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeline:
    """The clock of one stream: a time base of `num / den` seconds, and the container's start time in microseconds."""

    num: int
    den: int
    start_us: int

    def to_ms(self, pts: int) -> int:
        """The time of `pts` in ms from the container's start, rounded to nearest; a half is rounded down."""
        microseconds = pts * self.num * 1_000_000 - self.start_us * self.den  # in 1/den of a microsecond
        millisecond = 1000 * self.den
        return -((millisecond - 2 * microseconds) // (2 * millisecond))

    def last_pts(self, time_ms: int) -> int:
        """The greatest time stamp with a rounded time not after `time_ms`."""
        twice = 2 * self.start_us * self.den + 1000 * self.den * (2 * time_ms + 1)
        return twice // (2 * self.num * 1_000_000)

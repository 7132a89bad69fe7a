"""Make reliable times from unreliable time stamps. Pure; all times are in units of the stream's time base.

Both rules come from the ffmpeg command (fftools/ffmpeg_demux.c, ffmpeg_dec.c and guess_correct_pts in libavcodec/decode.c), so
that a frame has the time at which ffmpeg and tools based on it show it.
"""

from fractions import Fraction

#: Stands for a missing time stamp.
NO_TIME = -(2**63)

_JUMP_S = 10  # a decode time this far from the expected one begins another clock
_BACK_S = Fraction(1, 10)  # a step back by this much does too


class PacketClock:
    """Puts the packets of a stream with a clock that restarts or jumps, as in concatenated MPEG-TS, on one timeline.

    `time_base` is in seconds; `frame` is the duration of a packet that states none. `joins` are the decode times, on that one
    timeline, at which another clock began.
    """

    def __init__(self, time_base: Fraction, frame: int) -> None:
        self._jump = int(_JUMP_S / time_base)
        self._back = int(_BACK_S / time_base)
        self._frame = frame
        self._offset = 0
        self._last = NO_TIME
        self._next = NO_TIME
        self.joins: list[int] = []

    def placed(self, pts: int, dts: int, duration: int) -> tuple[int, int]:
        """(pts, dts) of the next packet on the one timeline. A presentation time far from the decode time counts as missing."""
        if NO_TIME not in (pts, dts) and abs(pts - dts) > self._jump:
            pts = NO_TIME
        if dts != NO_TIME:
            dts += self._offset
            if self._next != NO_TIME and (abs(dts - self._next) > self._jump or dts + self._back < self._last):
                self._offset -= dts - self._next
                dts = self._next
                self.joins.append(dts)
            self._last = dts
        elif self._next != NO_TIME:
            self._last = self._next
        elif pts != NO_TIME:
            self._last = pts
        if self._last != NO_TIME:
            self._next = self._last + (duration or self._frame)
        return pts if pts == NO_TIME else pts + self._offset, dts


class FrameClock:
    """Gives each frame, in the decoder's output order, its display time.

    `frame` is the duration of a frame if nothing else states it. `steps_back` counts frames with a time stamp before the
    previous frame's; `guessed` counts frames with a time that is not their time stamp.
    """

    def __init__(self, frame: int) -> None:
        self._frame = max(frame, 1)
        self._last_pts = self._last_dts = NO_TIME
        self._bad_pts = self._bad_dts = 0
        self._last, self._lasts = NO_TIME, max(frame, 1)
        self.steps_back = self.guessed = 0

    def time(self, pts: int, dts: int, duration: int) -> int:
        """The time of the next frame, never before the previous one."""
        found = self._believed(pts, dts)
        if found == NO_TIME:
            found = 0 if self._last == NO_TIME else self._last + self._lasts
        self.guessed += found != pts
        if self._last != NO_TIME:
            self.steps_back += found < self._last
            found = max(found, self._last)
            if duration <= 1 and found > self._last:
                self._lasts = found - self._last
        if duration > 1:
            self._lasts = duration
        self._last = found
        return found

    def _believed(self, pts: int, dts: int) -> int:
        """The time stamp that has gone back less often so far: the presentation time, or the decode time of the packet."""
        if dts != NO_TIME:
            self._bad_dts += dts <= self._last_dts
            self._last_dts = dts
        elif pts != NO_TIME:
            self._last_dts = pts
        if pts != NO_TIME:
            self._bad_pts += pts <= self._last_pts
            self._last_pts = pts
        elif dts != NO_TIME:
            self._last_pts = dts
        if pts != NO_TIME and (self._bad_pts <= self._bad_dts or dts == NO_TIME):
            return pts
        return dts

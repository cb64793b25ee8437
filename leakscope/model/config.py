"""
What to record, and how finely.

It knows the settings of a recording and their limits; it refuses to know where they came from (options,
environment, file) and what they are used for.
"""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.errors import UsageError

EXACT_INTERVAL = 1
"""Interval at which every block is recorded: exact is sampling with interval 1."""
MAX_FRAMES_LIMIT = 1024
POOLS_TEXT_LIMIT = 8000
"""Bytes that the recorder has for the lines of all pools."""


@dataclass(frozen=True, slots=True)
class CaptureConfig:
    """
    Settings of one recording.

    Attributes
    ----------
    interval_bytes : int
        Mean distance of samples in allocated bytes (Poisson); 1 records every block.
    exact_bytes : int
        Blocks of this size or more are always recorded, with their own size as weight.
    max_frames : int
        Innermost frames kept of a stack.
    chunk_bytes : int
        Mappings of this size or more are large: counted as such, and found in the process even if nobody saw them
        being taken.
    max_stacks : int
        Most different stacks the ledger can hold; further ones are counted as dropped.
    follow : bool
        Record child processes that run Python, too.
    sample_every_s : float
        Seconds between two samples of the series at first.
    max_samples : int
        Most rows of the series; beyond that it is thinned and the distance doubles, so any length of run fits.
    dump_every_s : float or None
        Seconds between two dumps; None for none by time.
    dump_on_rss_bytes : int or None
        Take a dump when resident memory first passes this, and whenever it has grown by another quarter.
    dump_on_signal : int or None
        Number of a signal to the parent that takes a dump.
    baseline_after_s : float or None
        Seconds after which the first baseline is taken, and further ones at twice, four times ... that; None for none.
    heap : bool
        Dumps have the object graph: who holds what.
    values : bool
        The graph has the texts of keys and small values.
    buffers : bool
        Acquisitions and releases through the buffer protocol are recorded.
    pools : tuple of str
        Pools to watch when their classes come up, a line for each; see ``model.pool_spec``.
    keep_dumps : int
        Most dumps kept of those taken by time or resident memory: the first, and the latest.
    """

    interval_bytes: int = 64 * 1024
    exact_bytes: int = 64 * 1024
    max_frames: int = 64
    chunk_bytes: int = 16 << 20
    max_stacks: int = 1 << 21
    follow: bool = False
    sample_every_s: float = 0.01
    max_samples: int = 240
    dump_every_s: float | None = None
    dump_on_rss_bytes: int | None = None
    dump_on_signal: int | None = None
    baseline_after_s: float | None = 0.01
    keep_dumps: int = 20
    heap: bool = True
    values: bool = False
    buffers: bool = True
    pools: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._require(self.interval_bytes >= 1, "the sampling interval must be at least 1 byte (1 records every block)")
        self._require(self.exact_bytes >= 1, "the size from which blocks are recorded exactly must be at least 1 byte")
        self._require(self.chunk_bytes >= 4096, "the size from which mappings are large must be at least 4096 bytes")
        self._require(
            1 <= self.max_frames <= MAX_FRAMES_LIMIT, f"the frames kept of a stack must be 1 to {MAX_FRAMES_LIMIT}"
        )
        self._require(self.max_stacks >= 1024, "the room for stacks must be at least 1024")
        self._require(self.sample_every_s > 0, "the time between samples must be above zero")
        self._require(self.max_samples >= 16, "the series needs room for at least 16 samples")
        self._require(self.dump_every_s is None or self.dump_every_s > 0, "the time between dumps must be above zero")
        self._require(
            self.dump_on_rss_bytes is None or self.dump_on_rss_bytes > 0,
            "the resident memory that triggers a dump must be above zero",
        )
        self._require(self.keep_dumps >= 2, "at least 2 dumps must be kept: the first and the last")
        self._require(self.heap or not self.values, "without the object graph there are no values to keep")
        self._require(
            len("\n".join(self.pools).encode()) < POOLS_TEXT_LIMIT,
            f"the pools to watch take more than {POOLS_TEXT_LIMIT} bytes to name",
        )
        self._require(
            self.baseline_after_s is None or self.baseline_after_s > 0,
            "the time of the first baseline must be above zero",
        )

    @property
    def exact(self) -> bool:
        """Whether every block is recorded."""
        return self.interval_bytes == EXACT_INTERVAL

    @staticmethod
    def _require(holds: bool, message: str) -> None:
        if not holds:
            raise UsageError(message, "see 'leakscope run --help' for the accepted values")

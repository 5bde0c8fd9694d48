"""A wireless channel as stations that speak one after the other, flit by flit, cycle by cycle."""

from __future__ import annotations

from arraysmith.arch.architecture import Wireless

Entry = tuple[bool, tuple, int, int]
"""Up; transfers; bits of a word; cycle in which they may begin."""


class Channel:
    """The air: one flit at a time."""

    def __init__(self, wireless: Wireless, children: int) -> None:
        self.wireless, self.children = wireless, children
        self.now = 0

    def speak(self, words: int, word_bits: int) -> None:
        """Send words that go together."""
        left = words * word_bits
        while left > 0:
            left -= self.wireless.flit_bits
            for _ in range(self.wireless.flit_cycles):
                self.now += 1

    def pass_token(self) -> None:
        for _ in range(self.wireless.token_cycles):
            self.now += 1

    def take(self, entry: Entry) -> tuple[int, int]:
        """Return the cycle in which a pattern begins, and that in which it is over."""
        up, transfers, word_bits, release = entry
        self.now = begin = max(self.now, release)
        if not up:
            for words, _ in transfers:
                self.speak(words, word_bits)
            return begin, self.now + self.wireless.latency_cycles
        self.pass_token()
        for station in range(self.children):
            for words, members in transfers:
                if station in members:
                    self.speak(words, word_bits)
            self.pass_token()
        return begin, self.now + self.wireless.latency_cycles

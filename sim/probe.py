"""Observer hooks of the simulator: it calls them, and knows nothing of who listens."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Probe(Protocol):
    """Receives what a simulation does, in batches, in the order of the simulated program."""

    def wants(self, memory: str) -> bool:
        """Return whether requests at ``memory`` are of interest; others are not worked out."""
        ...

    def requests(
        self,
        stream: str,
        request_cycle: NDArray[np.int64],
        response_cycle: NDArray[np.int64],
        address: NDArray[np.uint64],
        size: NDArray[np.uint32],
        tile: NDArray[np.uint32],
    ) -> None:
        """Take requests of one stream.

        Args:
            stream: ``memory/tensor/direction``, direction ``read`` or ``write``.
            request_cycle: [n] cycle in which the request is issued.
            response_cycle: [n] cycle in which its last word has arrived; not before the request.
            address: [n] byte address of the first word.
            size: [n] bytes; consecutive addresses.
            tile: [n] number of the tile that asked for it, counted from 0 per stream.
        """
        ...

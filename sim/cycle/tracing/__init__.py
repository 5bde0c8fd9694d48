"""What a probe is told: requests of every memory and network, waits; see README.md."""

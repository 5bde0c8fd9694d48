"""Search: spaces, optimisers, mapper, runner, re-scoring."""

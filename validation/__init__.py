"""Reference numbers and the suites that compare with them."""

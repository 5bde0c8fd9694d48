"""Networks that ship with the product."""

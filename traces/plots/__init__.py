"""Pictures made of Reports and arrays."""

"""The analytical model: closed forms over batches of mappings."""

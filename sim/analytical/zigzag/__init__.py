"""The rules of ZigZag, for people who compare with it."""

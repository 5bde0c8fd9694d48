"""Models: closed forms and the cycle-accurate simulator, one Report for both."""

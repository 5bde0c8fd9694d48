"""The cycle-accurate simulator: SimPy carries transactions, kernels what happens inside one."""

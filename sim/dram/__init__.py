"""DRAM: devices as data files, a controller simulated command by command, energy by command."""

"""DRAM devices that ship with the project, one file each."""

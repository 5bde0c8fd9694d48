"""Systolic arrays in SystemVerilog, and the bench that drives them with the commands of a trace."""

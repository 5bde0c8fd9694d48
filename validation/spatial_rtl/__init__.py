"""A row-stationary array in SystemVerilog, and the bench that runs mapped layers on it."""

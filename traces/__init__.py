"""Traces: HDF5 recorder and reader, exporters, pictures and the HTML report."""

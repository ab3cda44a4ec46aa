"""Nets: known by name or made CAM-ready, loaded, proved and run."""

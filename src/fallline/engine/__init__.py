"""The engine: lanes in, one compiled program, records out. It knows arrays, not studies."""

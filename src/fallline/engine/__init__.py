"""The engine: it trains lanes by one compiled program and returns records. It knows arrays, not studies."""

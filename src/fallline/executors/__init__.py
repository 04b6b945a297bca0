"""Executors: where plan, engine and store meet. ``here`` trains in this process, ``driver`` in jobs elsewhere."""

"""The server of `serve` and `up`: Granian, and an adapter to the WSGI application that no client can stall."""

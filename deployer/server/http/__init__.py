"""An HTTP/1.1 server on sockets."""

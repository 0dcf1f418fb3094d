"""HTTP/1.1 on sockets: bytes to requests, replies to bytes."""

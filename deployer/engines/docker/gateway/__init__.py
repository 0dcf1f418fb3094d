"""The gateway: an HAProxy that holds a deployment's ports while its servers change, and authenticates clients.

It routes to one of two slots, `a` and `b`, at fixed addresses. Its files are in a directory of its own (`directory`);
its runtime socket is there, too (`admin`).
"""

"""The gateway: a proxy (HAProxy) that holds a deployment's ports while the servers behind it change, and guards them.

It knows two places for a server, the slots `a` and `b`, at addresses that do not change. What it is told lies in a
folder of its own (`home`), it is spoken to through its runtime socket there (`admin`), and which container runs it is
the engine's affair.
"""

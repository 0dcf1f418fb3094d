"""The Swarm engine: servers are the tasks of a Docker service, from an image with the models inside.

The Engine API of a manager is the source of truth: the labels of a service say what it serves, and whether that was
accepted. A change is a rolling update of the service; Swarm keeps its former specification, to which a failed or killed
change returns.
"""

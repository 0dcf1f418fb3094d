"""The gateway on a Swarm: HAProxy as a service, which spreads requests over the tasks that Docker's DNS names.

Its configuration names the service and no task, so it stays as it is when servers change.
"""

"""Neutron's API alone: there are no agents that its other processes would serve."""
from neutron.common import eventlet_utils

eventlet_utils.monkey_patch()

from neutron import server  # noqa: E402, only what is imported from here on is patched
from neutron import service  # noqa: E402


def serve():
    service.serve_wsgi(service.NeutronApiService).wait()


if __name__ == '__main__':
    server.boot_server(serve)

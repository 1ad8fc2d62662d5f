"""All of Nova in one process: its parts talk by the transport fake://.

FAKE_HOSTS names hosts whose servers are records, LIBVIRT_HOST the one with a libvirt, if there is one.
"""
import os
import sys

from nova.cmd import compute  # noqa: F401, patches the standard library before anything else is imported
import nova.virt
import os_vif
from oslo_log import log
from oslo_service import service as oslo_service
from oslo_service import threadgroup

from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
import nova.conf
from nova import config
from nova import objects
from nova.scheduler import rpcapi as scheduler_rpcapi
from nova import service

import yado_privileges

CONF = nova.conf.CONF
# Drivers are looked for below nova.virt only.
nova.virt.__path__.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'yado_virt'))


FAKE_HOSTS = os.environ.get('FAKE_HOSTS', '').split()


def host_services():
    tell_placement_once()
    for host in FAKE_HOSTS:
        yield host_service(host)
    host = os.environ.get('LIBVIRT_HOST')
    if host:
        use_libvirt()
        CONF.set_override('compute_driver', 'libvirt.LibvirtDriver')
        yield host_service(host)
        CONF.clear_override('compute_driver')
    CONF.clear_override('host')


def host_service(host):
    CONF.set_override('host', host)
    return service.Service.create(host=host, binary='nova-compute', topic=compute_rpcapi.RPC_TOPIC)


def tell_placement_once():
    """What a fake host has never changes. Telling it at each claim would ask for every server that is there."""
    from nova.compute import resource_tracker
    tell = resource_tracker.ResourceTracker._update_to_placement
    told = set()

    def tell_once(self, context, compute_node, startup):
        if compute_node.host in told:
            return
        tell(self, context, compute_node, startup)
        if compute_node.host in FAKE_HOSTS:
            told.add(compute_node.host)

    resource_tracker.ResourceTracker._update_to_placement = tell_once


def use_libvirt():
    """Ports are plugged in the namespace of libvirt, and the share of volumes is bound where it would be mounted."""
    import nova.privsep.fs
    os_vif.plug = os_vif.unplug = lambda vif, instance: None
    nova.privsep.fs.mount = lambda kind, share, folder, options: None


def main():
    config.parse_args(sys.argv)
    log.setup(CONF, 'nova')
    objects.register_all()
    os_vif.initialize()
    yado_privileges.run_here()
    objects.Service.enable_min_version_cache()
    launcher = oslo_service.ServiceLauncher(CONF)
    # Services beyond the default of ten would wait for ever.
    launcher.services.tg = threadgroup.ThreadGroup(1000)
    launcher.launch_service(service.Service.create(binary='nova-conductor', topic=conductor_rpcapi.RPC_TOPIC))
    launcher.launch_service(service.Service.create(binary='nova-scheduler', topic=scheduler_rpcapi.RPC_TOPIC))
    for one in host_services():
        launcher.launch_service(one)
    launcher.launch_service(service.WSGIService('osapi_compute'))
    launcher.wait()


if __name__ == '__main__':
    main()

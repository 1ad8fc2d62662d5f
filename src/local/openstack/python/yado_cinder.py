"""All of Cinder in one process: its parts talk by the transport fake://."""
import sys

from cinder.cmd import api  # noqa: F401, patches the standard library before anything else is imported
from cinder.cmd import scheduler  # noqa: F401, registers options
from cinder.cmd import volume
from cinder.common import config
from cinder import coordination
from cinder import objects
from cinder import rpc
from cinder import service
from cinder import utils
from cinder import version
from oslo_log import log
from oslo_service import service as oslo_service
from oslo_service import threadgroup

import yado_privileges

CONF = volume.CONF


def main():
    objects.register_all()
    CONF(sys.argv[1:], project='cinder', version=version.version_string())
    config.set_middleware_defaults()
    log.setup(CONF, 'cinder')
    utils.monkey_patch()
    yado_privileges.run_here()
    coordination.COORDINATOR.start()
    rpc.init(CONF)
    launcher = oslo_service.ServiceLauncher(CONF)
    # Services beyond the default of ten would wait for ever.
    launcher.services.tg = threadgroup.ThreadGroup(100)
    launcher.launch_service(service.Service.create(binary='cinder-scheduler'))
    for backend in CONF.enabled_backends:
        CONF.register_opt(volume.host_opt, group=backend)
        host = '%s@%s' % (CONF.host, backend)
        launcher.launch_service(service.Service.create(host=host, service_name=backend, binary='cinder-volume', coordination=True, cluster=None))
    launcher.launch_service(service.WSGIService('osapi_volume'))
    launcher.wait()


if __name__ == '__main__':
    main()

"""Nova's own fake driver, with servers that are what the database says, and snapshots that become images."""
import io

from nova import context as nova_context
from nova import exception
from nova.image import glance
from nova import objects
from nova.virt import fake

SNAPSHOT = b'a server without a disk\n' * 4096


class Servers(dict):
    """Those of a host. What was not seen yet is looked for in the database, where it may have come from elsewhere."""

    def __init__(self, host):
        super().__init__()
        self.host = host

    def __contains__(self, uuid):
        return super().__contains__(uuid) or self.found(uuid)

    def __missing__(self, uuid):
        if self.found(uuid):
            return self[uuid]
        raise KeyError(uuid)

    def found(self, uuid):
        try:
            instance = objects.Instance.get_by_uuid(nova_context.get_admin_context(), uuid)
        except exception.InstanceNotFound:
            return False
        # One that is being built is not here yet.
        if instance.host != self.host or instance.vm_state == 'building':
            return False
        self.add(instance)
        return True

    def add(self, instance):
        self[instance.uuid] = fake.FakeInstance(instance.name, instance.power_state, instance.uuid)


class FakeHostDriver(fake.FakeDriver):
    def init_host(self, host):
        super().init_host(host)
        self.instances = Servers(host)
        for instance in objects.InstanceList.get_by_host(nova_context.get_admin_context(), host):
            self.instances.add(instance)

    def snapshot(self, context, instance, image_id, update_task_state):
        super().snapshot(context, instance, image_id, update_task_state)
        images = glance.API()
        image = images.get(context, image_id)
        changed = {'name': image['name'], 'properties': image['properties'], 'disk_format': 'raw', 'container_format': 'bare', 'status': 'active'}
        images.update(context, image_id, changed, io.BytesIO(SNAPSHOT), purge_props=False)

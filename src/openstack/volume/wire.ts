import { known, type Wire } from '../wire.ts';
import { VOLUME_STATUSES, type Snapshot, type Volume, type VolumeType, type VolumeUse } from './port.ts';

export function volumeOf(wire: Wire): Volume {
  return known({
    id: wire.text('id'),
    name: wire.textIf('name') ?? '',
    description: wire.textIf('description'),
    status: VOLUME_STATUSES.find((status) => status === wire.text('status')) ?? 'unknown',
    sizeGiB: wire.number('size'),
    type: wire.textIf('volume_type'),
    projectId: wire.textIf('os-vol-tenant-attr:tenant_id'),
    bootable: wire.flagIf('bootable') ?? false,
    encrypted: wire.flagIf('encrypted') ?? false,
    multiattach: wire.flagIf('multiattach') ?? false,
    availabilityZone: wire.textIf('availability_zone'),
    snapshotId: wire.textIf('snapshot_id'),
    sourceVolumeId: wire.textIf('source_volid'),
    metadata: wire.map('metadata'),
    attachments: wire.each('attachments', (one) => known({ attachmentId: one.text('attachment_id'), serverId: one.text('server_id'), device: one.textIf('device'), host: one.textIf('host_name') })),
    imageMetadata: wire.has('volume_image_metadata') ? wire.map('volume_image_metadata') : undefined,
    createdAtMs: wire.timeMs('created_at'),
    updatedAtMs: wire.timeMsIf('updated_at'),
  });
}

export function snapshotOf(wire: Wire): Snapshot {
  return known({
    id: wire.text('id'),
    name: wire.textIf('name') ?? '',
    description: wire.textIf('description'),
    status: wire.text('status'),
    volumeId: wire.text('volume_id'),
    sizeGiB: wire.number('size'),
    metadata: wire.map('metadata'),
    createdAtMs: wire.timeMs('created_at'),
    updatedAtMs: wire.timeMsIf('updated_at'),
  });
}

export function volumeTypeOf(wire: Wire): VolumeType {
  return known({ id: wire.text('id'), name: wire.text('name'), public: wire.flagIf('is_public') ?? true, description: wire.textIf('description'), extraSpecs: wire.map('extra_specs') });
}

/** How to reach the storage is left out: that is for hosts. */
export function volumeUseOf(wire: Wire): VolumeUse {
  return known({ id: wire.text('id'), status: wire.text('status'), volumeId: wire.text('volume_id'), serverId: wire.textIf('instance'), mode: wire.textIf('attach_mode') });
}

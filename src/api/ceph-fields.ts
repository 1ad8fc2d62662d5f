import { Type } from 'typebox';

/** A monitor of Ceph: `host` or `host:port`, with the protocol before it or not. */
export const CEPH_MONITOR = '^(v[12]:)?(\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9][-.A-Za-z0-9]*)(:[0-9]{1,5})?$';
/** A pool, file system, namespace or user. */
export const CEPH_NAME = '^[A-Za-z0-9_][-.A-Za-z0-9_]*$';

/** A field that has such a name. */
export const cephName = (description: string) => Type.String({ description, pattern: CEPH_NAME, maxLength: 128 });

import { ANNOTATION_DETAILS } from '../../../api/open-stack-names.ts';
import { secrets, type Secret } from '../../../kube/core.ts';
import type { Keypair } from '../../../openstack/compute/types.ts';
import { keypairProblem } from '../../../openstack/counterparts.ts';
import { NAME_LIMIT, objectNameOf } from '../names.ts';
import { impossible, isObserved, wanted, type Target } from '../target.ts';

/** The key of the Secret, as Kubernetes calls it in Secrets for SSH. */
const KEY = 'ssh-publickey';

/** Public keys are Secrets that `sshKeys` of machines can name. */
export const keypairs: Target<Keypair, Secret> = {
  name: 'keypairs',
  source: 'keypairs',
  resource: secrets,
  isOn: (spec) => isObserved(spec.keypairs),
  baseName: ({ name }) => objectNameOf(name, name, NAME_LIMIT),
  originalName: ({ name }) => name,
  nameLimit: NAME_LIMIT,
  whole: new Set(['data']),
  map(keypair) {
    const problem = keypairProblem(keypair);
    if (problem !== undefined) return impossible(problem);
    const { publicKey, fingerprint, type } = keypair;
    return wanted({ annotations: { [ANNOTATION_DETAILS]: JSON.stringify({ fingerprint, type }) }, body: { data: { [KEY]: Buffer.from(`${publicKey.trimEnd()}\n`).toString('base64') } } });
  },
};

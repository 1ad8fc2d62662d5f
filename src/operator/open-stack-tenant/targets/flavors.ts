import { ANNOTATION_DETAILS } from '../../../api/open-stack-names.ts';
import { instanceTypes, type InstanceType } from '../../../kube/yadokari.ts';
import { exactBytes } from '../../../base/quantity.ts';
import type { Flavor, Server } from '../../../openstack/compute/types.ts';
import { flavorProblem } from '../../../openstack/counterparts.ts';
import { NAME_LIMIT, objectNameOf } from '../names.ts';
import { defined } from '../patch.ts';
import { impossible, isObserved, wanted, type MapContext, type Target } from '../target.ts';

/** Flavors are InstanceTypes; what these have no field for is in an annotation. */
export const flavors: Target<Flavor, InstanceType> = {
  name: 'flavors',
  source: 'flavors',
  resource: instanceTypes,
  isOn: (spec) => isObserved(spec.flavors),
  baseName: ({ name, id }) => objectNameOf(name, id, NAME_LIMIT),
  originalName: ({ name }) => name,
  nameLimit: NAME_LIMIT,
  whole: new Set(['spec']),
  map(flavor) {
    const problem = flavorProblem(flavor);
    if (problem !== undefined) return impossible(problem);
    const { vcpus, memoryMiB, diskGiB, ephemeralGiB, swapMiB, extraSpecs, public: isPublic, disabled, description } = flavor;
    const details = defined({ diskGiB, ephemeralGiB, swapMiB, extraSpecs, public: isPublic, disabled, description });
    return wanted({ annotations: { [ANNOTATION_DETAILS]: JSON.stringify(details) }, body: { spec: { cpu: vcpus, memory: exactBytes(memoryMiB * 2 ** 20) } } });
  },
};

/** The InstanceType that mirrors the server's flavor. */
export function instanceTypeThere(server: Server, { state, index, mirrorOf }: MapContext): string | undefined {
  const flavor = index.flavorOf(state, server);
  return flavor === undefined ? undefined : mirrorOf('flavors', flavor.id)?.name;
}

import type { ContainerSpec, EnvFromSpec, EnvVarSpec, PodManifest } from '../pod.ts';
import { KubeletError, type KubeletContext, type ServiceSummary } from '../port.ts';
import { expand, lookupIn } from './expand.ts';
import { fieldOf } from './fields.ts';
import type { Environment } from './port.ts';
import { resourceField } from './resources.ts';

type Variable = Environment[number];

/** Any printable ASCII but `=`, as Kubernetes has it since 1.34; others from whole ConfigMaps and Secrets are left out with an event. */
const NAME = /^[ -<>-~]+$/;

/** The environment of a container: services first, then envFrom, then env, as the kubelet has them. */
export async function environmentOf(context: KubeletContext, pod: PodManifest, container: ContainerSpec, address: string, signal: AbortSignal): Promise<Environment> {
  const result = new Map<string, string>();
  for (const source of container.envFrom ?? []) {
    for (const { key, value } of await fromSource(context, pod, source, signal)) result.set(key, value);
  }
  const services = serviceVariables(servicesFor(context, pod));
  const known = (name: string): string | undefined => result.get(name) ?? lookupIn(services)(name);
  for (const variable of container.env ?? []) {
    const value = await valueOf(context, pod, container, variable, address, known, signal);
    if (value !== undefined) result.set(variable.name, value);
  }
  // What the user sets stands above what services give.
  for (const { key, value } of services) if (!result.has(key)) result.set(key, value);
  return [...result].map(([key, value]) => ({ key, value }));
}

async function fromSource({ references, event }: KubeletContext, pod: PodManifest, { prefix = '', configMapRef, secretRef }: EnvFromSpec, signal: AbortSignal): Promise<readonly Variable[]> {
  const namespace = pod.metadata.namespace ?? 'default';
  const reference = configMapRef ?? secretRef;
  if (reference === undefined) return [];
  const { name = '', optional = false } = reference;
  const [kind, Kind, found] = configMapRef === undefined ? ['secret', 'Secret', await references.secret(namespace, name, signal)] as const : ['configmap', 'ConfigMap', await references.configMap(namespace, name, signal)] as const;
  if (found === undefined && !optional) throw new KubeletError('CreateContainerConfigError', `${kind} ${JSON.stringify(name)} not found`);
  const entries = Object.entries(found?.data ?? {}).map(([key, value]) => ({ key: `${prefix}${key}`, value: value.toString('utf8') }));
  const invalid = entries.filter(({ key }) => !NAME.test(key)).map(({ key }) => key).sort();
  if (invalid.length > 0) {
    event(pod, { type: 'Warning', reason: 'InvalidEnvironmentVariableNames', message: `Keys [${invalid.join(', ')}] from the EnvFrom ${Kind} ${namespace}/${name} were skipped since they are considered invalid environment variable names.` });
  }
  return entries.filter(({ key }) => NAME.test(key));
}

async function valueOf(context: KubeletContext, pod: PodManifest, container: ContainerSpec, { value, valueFrom }: EnvVarSpec, address: string, known: (name: string) => string | undefined, signal: AbortSignal): Promise<string | undefined> {
  const { references, settings } = context;
  const namespace = pod.metadata.namespace ?? 'default';
  if (valueFrom === undefined) return expand(value ?? '', known);
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom;
  if (fieldRef !== undefined) return fieldOf(pod, fieldRef.fieldPath, { settings, address });
  if (resourceFieldRef !== undefined) {
    const { containerName, resource, divisor } = resourceFieldRef;
    const all = [...pod.spec.containers, ...pod.spec.initContainers ?? []];
    return resourceField(all.find(({ name }) => name === containerName) ?? container, resource, divisor, settings.allocatable);
  }
  if (configMapKeyRef !== undefined) return keyOf(await references.configMap(namespace, configMapKeyRef.name ?? '', signal), configMapKeyRef, 'configmap', 'ConfigMap', namespace);
  if (secretKeyRef !== undefined) return keyOf(await references.secret(namespace, secretKeyRef.name ?? '', signal), secretKeyRef, 'secret', 'Secret', namespace);
  throw new KubeletError('CreateContainerConfigError', `env ${Object.keys(valueFrom).join(', ')} is not supported on this node`);
}

function keyOf(found: { readonly data: Readonly<Record<string, Buffer>> } | undefined, { name = '', key, optional = false }: { readonly name?: string; readonly key: string; readonly optional?: boolean }, kind: string, Kind: string, namespace: string): string | undefined {
  const value = found?.data[key];
  if (value !== undefined) return value.toString('utf8');
  if (optional) return undefined;
  throw new KubeletError('CreateContainerConfigError', found === undefined ? `${kind} ${JSON.stringify(name)} not found` : `couldn't find key ${key} in ${Kind} ${namespace}/${name}`);
}

/** Those of the pod's namespace when it wants them; the API server's always. */
function servicesFor({ references }: KubeletContext, { metadata, spec }: PodManifest): readonly ServiceSummary[] {
  const all = references.services(metadata.namespace ?? 'default').filter(({ clusterIP }) => clusterIP !== 'None' && clusterIP !== '');
  const isMaster = ({ name, namespace }: ServiceSummary): boolean => namespace === 'default' && name === 'kubernetes';
  return spec.enableServiceLinks === false ? all.filter(isMaster) : all;
}

/** https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables */
export function serviceVariables(services: readonly ServiceSummary[]): Environment {
  return services.flatMap(({ name, clusterIP, ports }) => {
    const prefix = envName(name);
    const [first] = ports;
    if (first === undefined) return [];
    const named = ports.filter((port) => port.name !== '').map((port) => ({ key: `${prefix}_SERVICE_PORT_${envName(port.name)}`, value: String(port.port) }));
    return [
      { key: `${prefix}_SERVICE_HOST`, value: clusterIP },
      { key: `${prefix}_SERVICE_PORT`, value: String(first.port) },
      ...named,
      { key: `${prefix}_PORT`, value: `${first.protocol.toLowerCase()}://${clusterIP}:${first.port}` },
      ...ports.flatMap(({ port, protocol }) => {
        const link = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
        return [
          { key: link, value: `${protocol.toLowerCase()}://${clusterIP}:${port}` },
          { key: `${link}_PROTO`, value: protocol.toLowerCase() },
          { key: `${link}_PORT`, value: String(port) },
          { key: `${link}_ADDR`, value: clusterIP },
        ];
      }),
    ];
  });
}

function envName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}

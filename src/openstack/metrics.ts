import { Counter, type Registry } from 'prom-client';
import type { RequestObserver } from './http/counter.ts';

/** Counts the requests of one cloud, each attempt of them, in a registry that clouds may share. */
export function requestMetrics(registry: Registry, cloud: string): RequestObserver {
  const name = 'yadokari_openstack_requests_total';
  const known = registry.getSingleMetric(name) as Counter<'cloud' | 'service' | 'method' | 'status'> | undefined;
  const requests = known ?? new Counter({ name, help: 'Requests to OpenStack clouds; the status is "error" where there was no answer.', labelNames: ['cloud', 'service', 'method', 'status'], registers: [registry] });
  return (service, method, status) => requests.inc({ cloud, service, method, status });
}

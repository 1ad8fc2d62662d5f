import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { CallObserver } from './client.ts';
import type { ControllerMetrics } from './controller.ts';

export interface Metrics {
  readonly registry: Registry;
  readonly controllers: ControllerMetrics;
  readonly apiCalls: CallObserver;
}

/** A registry with the figures that every program of ours reports; names follow controller-runtime's. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 });
  const registers = [registry];
  const depth = new Gauge({ name: 'workqueue_depth', help: 'Keys waiting in the queue.', labelNames: ['name'], registers });
  const waited = new Histogram({ name: 'workqueue_queue_duration_seconds', help: 'Time keys waited.', labelNames: ['name'], buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], registers });
  const time = new Histogram({ name: 'controller_runtime_reconcile_time_seconds', help: 'Time reconciles took.', labelNames: ['controller', 'result'], buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10], registers });
  const calls = new Counter({ name: 'yadokari_api_calls_total', help: 'Calls of the Kubernetes API.', labelNames: ['verb', 'kind', 'code'], registers });
  return {
    registry,
    controllers: {
      depth: (name, length) => depth.set({ name }, length),
      waited: (name, ms) => waited.observe({ name }, ms / 1000),
      reconciled: (controller, ms, result) => time.observe({ controller, result }, ms / 1000),
    },
    apiCalls: (verb, resource, code) => calls.inc({ verb, kind: resource.kind, code }),
  };
}

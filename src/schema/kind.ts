import type { TSchema } from 'typebox';
import type { Rule } from './field.ts';
import { toStructural, type Json } from './structural.ts';

export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** 0: always shown, 1: with `-o wide`. Default 0. */
  readonly priority?: 0 | 1;
}

/** One version of one of our kinds: the single source of its CustomResourceDefinition and, by TypeBox, of its types. */
export interface KindDefinition {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly scope: 'Namespaced' | 'Cluster';
  readonly description: string;
  readonly spec: TSchema;
  readonly status?: TSchema;
  readonly columns: readonly PrinterColumn[];
  /** CEL rules over the whole object. */
  readonly rules?: readonly Rule[];
  /** Paths of the scale subresource. */
  readonly scale?: { readonly specReplicasPath: string; readonly statusReplicasPath: string; readonly labelSelectorPath?: string };
}

/** The CustomResourceDefinition of a kind, ready to apply. */
export function toCustomResourceDefinition(kind: KindDefinition): Json {
  const { group, version, plural, scope } = kind;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { 'app.kubernetes.io/part-of': 'yadokari' } },
    spec: {
      group,
      scope,
      names: { kind: kind.kind, listKind: `${kind.kind}List`, plural, singular: kind.kind.toLowerCase(), shortNames: kind.shortNames, categories: ['yadokari', 'all'] },
      versions: [{
        name: version,
        served: true,
        storage: true,
        additionalPrinterColumns: [...kind.columns.map(columnOf), { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }],
        subresources: { status: {}, ...(kind.scale === undefined ? {} : { scale: { ...kind.scale } }) },
        schema: { openAPIV3Schema: objectSchema(kind) },
      }],
    },
  };
}

function objectSchema(kind: KindDefinition): Json {
  return {
    type: 'object',
    description: kind.description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: toStructural(kind.spec),
      ...(kind.status === undefined ? {} : { status: toStructural(kind.status) }),
    },
    ...(kind.rules === undefined ? {} : { 'x-kubernetes-validations': kind.rules.map((rule) => ({ ...rule })) }),
  };
}

function columnOf(column: PrinterColumn): Json {
  const { name, type, jsonPath, description, priority } = column;
  return { name, type, jsonPath, description, ...(priority === undefined ? {} : { priority }) };
}

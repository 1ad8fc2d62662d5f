import { Type, type TSchema } from 'typebox';
import podSpec from './generated/pod-spec.json' with { type: 'json' };

type PodSpecProperties = typeof podSpec.properties;

/** A field of core/v1's PodSpec with its own schema; `T` is what the product knows of its type. */
export function podField<T = unknown>(name: keyof PodSpecProperties) {
  return Type.Unsafe<T>(podSpec.properties[name]);
}

/** metav1.LabelSelector. */
export function labelSelector(description: string) {
  const { properties, ...rest } = podSpec.properties.topologySpreadConstraints.items.properties.labelSelector;
  return Type.Unsafe<LabelSelector>({ ...rest, description, properties });
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'; readonly values?: readonly string[] }[];
}

/** core/v1's PodSpec with more fields added. */
export function podSpecWith(extra: Readonly<Record<string, TSchema>>, description: string): TSchema {
  return Type.Unsafe({ ...podSpec, description, properties: { ...podSpec.properties, ...extra } });
}

/** core/v1's Container. */
export interface Container {
  readonly name: string;
  readonly [field: string]: unknown;
}

export interface Toleration {
  readonly key?: string;
  readonly operator?: 'Exists' | 'Equal';
  readonly value?: string;
  readonly effect?: string;
  readonly tolerationSeconds?: number;
}

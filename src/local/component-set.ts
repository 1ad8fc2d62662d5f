import type { Component, ComponentSpec } from './component.ts';

/**
 * Brings what is there to what is wanted: what is not wanted any more, or with another command, is stopped; then what is
 * missing is made and started, in its order. All that are wanted, afterwards; the rest is left alone.
 */
export async function renewComponents(present: readonly Component[], wanted: readonly ComponentSpec[], make: (spec: ComponentSpec) => Component, signal: AbortSignal): Promise<readonly Component[]> {
  const stays = ({ spec }: Component): boolean => wanted.some(({ name, command }) => spec.name === name && JSON.stringify(spec.command) === JSON.stringify(command));
  await Promise.all(present.filter((component) => !stays(component)).map((component) => component.stop()));
  const renewed = wanted.map((spec) => present.find((component) => component.spec.name === spec.name && stays(component)) ?? make(spec));
  for (const component of renewed) if (!present.includes(component)) await component.start(signal);
  return renewed;
}

/** How programs of ours run with as little memory as they need: one malloc arena, a small young generation, one helper thread. */
export const leanFlags: readonly string[] = ['--max-semi-space-size=1', '--optimize-for-size', '--v8-pool-size=1'];
export const leanEnvironment = 'MALLOC_ARENA_MAX=1';

/** The beginning of such a program's command. */
export function leanNode(nodeExecutable: string): readonly string[] {
  return ['env', leanEnvironment, nodeExecutable, ...leanFlags];
}

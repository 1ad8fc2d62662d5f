/** Command that runs a program of ours with as little memory as it needs: one malloc arena, small young generation, one helper thread. */
export function leanNode(nodeExecutable: string): readonly string[] {
  return ['env', 'MALLOC_ARENA_MAX=1', nodeExecutable, '--max-semi-space-size=1', '--optimize-for-size', '--v8-pool-size=1'];
}

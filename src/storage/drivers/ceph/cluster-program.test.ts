import { describe, it } from 'node:test';
import { run } from '../../../base/process.ts';
import { CLUSTER_PROGRAM } from './cluster-program.ts';

describe('the program that holds the connection to Ceph', () => {
  it('is one that Python understands', async () => {
    await run('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], { input: CLUSTER_PROGRAM });
  });
});

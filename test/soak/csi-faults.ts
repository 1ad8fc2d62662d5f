/** The drivers of volumes, each killed a hundred times in the middle of its calls. */
process.env['YADO_TEST_ROUNDS'] ??= '100';
process.env['YADO_TEST_LONG'] = '1';
for (const kind of ['local', 'ceph', 'nfs']) await import(`../e2e/csi-${kind}.test.ts`);

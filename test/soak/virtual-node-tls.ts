/** A machine that is a node over the network, also over the death of its guest. */
process.env['YADO_TEST_LONG'] = '1';
await import('../e2e/virtual-node-tls.test.ts');

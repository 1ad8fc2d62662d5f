// The chart's test with many kills in it.
process.env['YADO_TEST_KILLS'] ??= '100';
await import('../e2e/chart-install.test.ts');

/** Whether what takes minutes, and differs little from what every run has, is run too. */
export const isLong = process.env['YADO_TEST_LONG'] === '1';
/** Why it is left out. */
export const IN_SOAK = 'it takes minutes: npm run test:soak runs it';

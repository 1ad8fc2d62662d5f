/** Fails when a module imports what its layer must not know, and when there is nothing to look at. */
import { cruise } from 'dependency-cruiser';
import { forbidden, options } from './layers.ts';

const { output } = await cruise(['src'], { ...options, validate: true, ruleSet: { forbidden: forbidden as never }, outputType: 'json' });
const { summary } = JSON.parse(output as string) as { summary: { totalCruised: number; violations: { from: string; to: string; rule: { name: string } }[] } };
for (const { from, to, rule } of summary.violations) console.error(`${from} must not import ${to} (${rule.name})`);
if (summary.totalCruised === 0) console.error('no module was found below src: the layers were not checked');
if (summary.totalCruised === 0 || summary.violations.length > 0) process.exitCode = 1;
else console.log(`layers: ${summary.totalCruised} modules`);

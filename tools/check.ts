/** npm run check: all that can be checked without a cluster. */
import { runChecks } from './checks.ts';
import { conclude } from './step.ts';

conclude(await runChecks());

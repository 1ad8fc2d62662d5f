/** Does a CopyTask, given as JSON, and prints how far it is, line by line. */
import { runCopyTask, type CopyTask } from './copy-task.ts';

await runCopyTask(JSON.parse(process.argv[2] ?? '') as CopyTask, (progress) => void process.stdout.write(`${JSON.stringify(progress)}\n`));

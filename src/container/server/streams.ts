import type { ExecRequest } from '../cri.ts';
import { readySandbox, runningContainer, specsOf } from './containers.ts';
import { HttpError } from './http-error.ts';
import type { ServedNode } from './port.ts';
import type { Target } from './target.ts';

/** Where the runtime serves the streams that are asked for. Throws an HttpError in the kubelet's words. */
export async function streamUrl({ cri }: Pick<ServedNode, 'cri'>, { verb, query, pod, container }: Target, signal: AbortSignal): Promise<string> {
  const fullName = `${pod.metadata.name}_${pod.metadata.namespace ?? ''}`;
  switch (verb) {
    case 'exec': {
      const streams = streamsOf(query, query.get('tty') === '1');
      const id = await runningContainer(cri, pod, container, signal);
      if (id === undefined) throw new HttpError(500, `container not found (${JSON.stringify(container)})`);
      return cri.exec({ ...streams, container: id, command: query.getAll('command') }, signal);
    }
    case 'attach': {
      // Whether there is a terminal was settled when the container was made.
      const streams = streamsOf(query, specsOf(pod).find(({ name }) => name === container)?.tty === true);
      const id = await runningContainer(cri, pod, container, signal);
      if (id === undefined) throw new HttpError(500, `container ${container} not found in pod ${fullName}`);
      return cri.attach({ ...streams, container: id }, signal);
    }
    case 'portForward': {
      const ports = portsOf(query);
      const sandbox = await readySandbox(cri, pod, signal);
      if (sandbox === undefined) throw new HttpError(500, `pod not found (${JSON.stringify(fullName)})`);
      return cri.portForward(sandbox, ports, signal);
    }
    case 'containerLogs':
      throw new HttpError(400, 'logs are read without an upgrade of the connection');
  }
}

/** A terminal has one stream of output. */
function streamsOf(query: URLSearchParams, tty: boolean): Omit<ExecRequest, 'container' | 'command'> {
  const wants = (name: string): boolean => query.get(name) === '1';
  const streams = { tty, stdin: wants('input'), stdout: wants('output'), stderr: wants('error') && !tty };
  if (!streams.stdin && !streams.stdout && !streams.stderr) throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  return streams;
}

/** Only clients that speak WebSocket name them here. */
function portsOf(query: URLSearchParams): readonly number[] {
  return query.getAll('port').flatMap((text) => text.split(',')).map((text) => {
    const port = Number(text);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new HttpError(400, `unable to parse ${JSON.stringify(text)} as a port`);
    return port;
  });
}

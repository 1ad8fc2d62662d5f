import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall, type UntypedHandleCall } from '@grpc/grpc-js';
import type { Service } from '../../base/grpc-services.ts';
import type { Log } from '../../base/log.ts';
import { statusOf } from './status.ts';

/** Whatever protobuf gives: read field by field where it is used. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Message = Readonly<Record<string, any>>;

/** Answers one call, or throws. A caller that waits no more ends nothing: it asks again, and finds what was made meanwhile. */
export type Handler = (request: Message) => Promise<object>;

/** Serves services on a unix socket; one that a killed process has left is taken over. */
export class GrpcServer implements AsyncDisposable {
  readonly #server = new Server();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  add(service: Service, handlers: Readonly<Record<string, Handler>>): void {
    const known = Object.fromEntries(Object.entries(service).filter(([name]) => handlers[name] !== undefined));
    this.#server.addService(known, Object.fromEntries(Object.keys(known).map((name) => [name, this.#answering(name, handlers[name] as Handler)])));
  }

  /** For root, and for this group. */
  async listen(socket: string, group?: number): Promise<void> {
    await mkdir(dirname(socket), { recursive: true });
    await rm(socket, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error)));
    await promise;
    if (group === undefined) return;
    await chown(socket, process.geteuid?.() ?? 0, group);
    await chmod(socket, 0o660);
  }

  /** Lets calls that are under way end. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.tryShutdown(() => resolve());
    await promise;
  }

  #answering(name: string, handler: Handler): UntypedHandleCall {
    return (call: ServerUnaryCall<Message, object>, answer: sendUnaryData<object>): void => {
      handler(call.request).then((response) => answer(null, response), (error: unknown) => {
        const { code, details } = statusOf(error);
        this.#log.debug({ call: name, code, error: details }, 'a call is answered with an error');
        answer({ code, details });
      });
    };
  }
}

import { YadoError, type ErrorOptions } from '../base/errors.ts';

/** The local cluster could not be brought where it was asked to be. A person must act, as the message says. */
export class LocalError extends YadoError {
  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(code, message, { disposition: 'stalled', ...options });
  }
}

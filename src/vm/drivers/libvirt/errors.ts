import { GuestError } from '../../port.ts';
import { CallTimeout, ConnectionLost } from './rpc/connection.ts';
import { libvirtCode, RemoteError } from './rpc/remote-error.ts';

/** Turns what went wrong in a call into the port's error. An abort's reason is passed on as it is. */
export function guestError(error: unknown, guest?: string): Error {
  if (error instanceof GuestError) return error;
  if (error instanceof ConnectionLost) return new GuestError('HypervisorUnavailable', `libvirt cannot be reached; check that libvirtd runs on this host: ${error.message}`, { cause: error, disposition: 'retry' });
  if (error instanceof CallTimeout) return new GuestError('HypervisorError', error.message, { cause: error, disposition: 'retry' });
  if (error instanceof RemoteError) return remoteError(error, guest ?? 'the guest');
  if (error instanceof RangeError) return new GuestError('HypervisorError', `libvirt sent an answer that we do not understand: ${error.message}`, { cause: error });
  return error instanceof Error ? error : new GuestError('HypervisorError', String(error));
}

function remoteError(error: RemoteError, guest: string): GuestError {
  const cause = error;
  const { message } = error;
  if (/cannot set up guest memory|Cannot allocate memory|Unable to allocate memory/i.test(message)) {
    return new GuestError('OutOfMemory', `this host has not enough memory for ${guest}: ${message}`, { cause, disposition: 'retry' });
  }
  switch (error.libvirtCode) {
    case libvirtCode.noDomain:
      return new GuestError('GuestNotFound', `${guest} is not known on this host`, { cause });
    case libvirtCode.operationInvalid:
      return new GuestError('GuestNotRunning', `${guest} is not in a state for this: ${message}`, { cause });
    case libvirtCode.noMemory:
      return new GuestError('OutOfMemory', `this host has not enough memory for ${guest}: ${message}`, { cause, disposition: 'retry' });
    case libvirtCode.agentUnresponsive:
    case libvirtCode.agentUnsynced:
      return new GuestError('AgentNotConnected', `the guest agent of ${guest} does not answer; install and start qemu-guest-agent in it: ${message}`, { cause, disposition: 'wait' });
    case libvirtCode.xmlError:
    case libvirtCode.xmlDetail:
    case libvirtCode.domainExists:
    case libvirtCode.invalidArgument:
    case libvirtCode.configUnsupported:
    case libvirtCode.argumentUnsupported:
      return new GuestError('GuestRejected', `libvirt refuses ${guest}; change its definition: ${message}`, { cause, disposition: 'stalled' });
    default:
      if (/guest agent/i.test(message)) return new GuestError('AgentNotConnected', `the guest agent of ${guest} does not answer: ${message}`, { cause, disposition: 'wait' });
      if (/UEFI|firmware|already exists with uuid|CPU model|unsupported machine/i.test(message)) return new GuestError('GuestRejected', `libvirt refuses ${guest}: ${message}`, { cause, disposition: 'stalled' });
      return new GuestError('HypervisorError', `libvirt cannot do this with ${guest}: ${message}`, { cause, disposition: 'retry' });
  }
}

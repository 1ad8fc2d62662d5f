/** What the relay in a guest that hosts containers listens to. */
export const RELAY_CHANNEL = 'dev.yadokari.relay.0';

/** The host's end of that channel, and where the guest's runtime is reached; unix sockets, whose paths must be short. */
export const relaySocket = (runDirectory: string, machineUid: string): string => `${runDirectory}/guests/${machineUid}.relay`;
export const runtimeSocket = (runDirectory: string, machineUid: string): string => `${runDirectory}/guests/${machineUid}.cri`;

/** What the relay in a guest that hosts containers listens to. */
export const RELAY_CHANNEL = 'dev.yadokari.relay.0';

/** Where it listens in guests that are reached over the network. */
export const RELAY_PORT = 10_350;

/** The host's end of that channel, and where the guest's runtime is reached; unix sockets, whose paths must be short. */
export const relaySocket = (runDirectory: string, machineUid: string): string => `${runDirectory}/guests/${machineUid}.relay`;
export const runtimeSocket = (runDirectory: string, machineUid: string): string => `${runDirectory}/guests/${machineUid}.cri`;

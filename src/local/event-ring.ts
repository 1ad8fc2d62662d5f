/** Something that happened to the cluster, for people. */
export interface ClusterEvent {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly kind: 'info' | 'warning' | 'ready' | 'failed';
  /** A component, a node, or `cluster`. */
  readonly subject: string;
  readonly message: string;
}

/** The latest events, and those who follow them. */
export class EventRing {
  readonly #limit: number;
  #events: readonly ClusterEvent[] = [];
  readonly #followers = new Set<(event: ClusterEvent) => void>();

  constructor(limit = 500) {
    this.#limit = limit;
  }

  get events(): readonly ClusterEvent[] {
    return this.#events;
  }

  add(event: ClusterEvent): void {
    this.#events = [...this.#events, event].slice(-this.#limit);
    for (const follower of this.#followers) follower(event);
  }

  /** Calls back for all that is remembered and all that comes. The returned function ends it. */
  follow(follower: (event: ClusterEvent) => void): () => void {
    for (const event of this.#events) follower(event);
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }
}

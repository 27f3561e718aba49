/** A line of a function's log, as CloudWatch Logs keeps it. */
export interface LogEvent {
  readonly id: string;
  readonly atMs: number;
  readonly stream: string;
  readonly message: string;
}

export interface LogGroup {
  readonly name: string;
  readonly createdAtMs: number;
  /** In the order in which they were written, which is that of their instants. */
  readonly events: readonly LogEvent[];
  /** By name: when each was written to first. */
  readonly streams: ReadonlyMap<string, number>;
}

interface Group extends LogGroup {
  readonly events: LogEvent[];
  readonly streams: Map<string, number>;
}

/** The logs of the Region's functions. */
export class Logs {
  readonly #groups = new Map<string, Group>();
  #events = 0;

  /** A group that is there already stays as it is. */
  createGroup(name: string, atMs: number): void {
    if (!this.#groups.has(name)) {
      this.#groups.set(name, { name, createdAtMs: Math.floor(atMs), events: [], streams: new Map() });
    }
  }

  write(group: string, stream: string, atMs: number, message: string): void {
    const instantMs = Math.floor(atMs);
    this.createGroup(group, instantMs);
    const { events, streams } = this.#groups.get(group) as Group;
    if (!streams.has(stream)) streams.set(stream, instantMs);
    events.push({ id: (++this.#events).toString().padStart(56, '0'), atMs: instantMs, stream, message });
  }

  get groups(): ReadonlyMap<string, LogGroup> {
    return this.#groups;
  }

  /** Forgets what was written: the log of a month would fill the memory. */
  clear(): void {
    for (const { events } of this.#groups.values()) events.length = 0;
  }
}

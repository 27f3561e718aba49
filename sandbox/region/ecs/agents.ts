import type { Announcements } from './announcements.ts';
import type { Cluster, ContainerInstance, EcsState, Host } from './state.ts';

export interface AgentOptions {
  readonly state: EcsState;
  readonly announcements: Announcements;
  /** Notifies the scheduler that the instance may have room. */
  readonly offerRoom: (instance: ContainerInstance) => void;
}

/** Container instances and the agents on them: registration, connection, and what waits for a connection. */
export class Agents {
  readonly #options: AgentOptions;

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  /** Returns the new container instance's ARN. */
  register(cluster: Cluster, host: Host, registeredAtMs?: number): string {
    const { state, announcements, offerRoom } = this.#options;
    const instance = state.addInstance(cluster, host, registeredAtMs);
    announcements.tellInstance(instance);
    announcements.publishInstance(instance);
    offerRoom(instance);
    return instance.arn;
  }

  deregister(instance: ContainerInstance): void {
    const { state, announcements } = this.#options;
    state.retireInstance(instance);
    announcements.tellInstance(instance);
    announcements.publishInstance(instance);
  }

  connect(instance: ContainerInstance, connected: boolean): void {
    if (instance.status === 'INACTIVE' || instance.agentConnected === connected) return;
    const { announcements, offerRoom } = this.#options;
    instance.agentConnected = connected;
    announcements.tellInstance(instance);
    announcements.publishInstance(instance);
    if (!connected) return;
    for (const deliver of instance.undelivered.splice(0)) deliver();
    offerRoom(instance);
  }

  /**
   * Facts 15 agent-connection: nothing passes between ECS and an agent that is not connected; all of it does when it is
   * again.
   */
  deliver(instance: ContainerInstance, message: () => void): void {
    if (instance.agentConnected) message();
    else instance.undelivered.push(message);
  }
}

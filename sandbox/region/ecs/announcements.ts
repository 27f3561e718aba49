import type { BusEvent } from '../event-bridge/model.ts';
import type { Place } from '../place.ts';
import type { Fate, Trace } from '../trace.ts';
import { describeInstance, describeTask } from './describe.ts';
import type { ContainerInstance, Service, Task } from './state.ts';
import type { Deployment } from './views.ts';

export interface AnnouncementOptions {
  readonly nowMs: () => number;
  readonly place: Place;
  readonly trace: Trace;
  /** Puts an event on the default bus. */
  readonly publish: (event: BusEvent) => void;
}

/** DescribeServices shows the last hundred events. */
const SERVICE_EVENTS_KEPT = 100;

/** What ECS reports unasked: events on the bus, messages of services, and the trace. */
export class Announcements {
  readonly #options: AnnouncementOptions;

  constructor(options: AnnouncementOptions) {
    this.#options = options;
  }

  tellInstance({ ec2InstanceId, status, agentConnected }: ContainerInstance): void {
    this.#options.trace({ kind: 'container-instance', instanceId: ec2InstanceId, status, agentConnected });
  }

  tellTask({ id, instance, group, lastStatus, stop }: Task, fate?: Fate): void {
    this.#options.trace({
      kind: 'task',
      taskId: id,
      instanceId: instance.ec2InstanceId,
      group,
      status: lastStatus,
      ...(stop && { reason: stop.reason }),
      ...(fate && { killed: true, fate }),
    });
  }

  /** A message of the service scheduler, which DescribeServices shows too. */
  tellService({ spec, events }: Service, what: string): void {
    const message = `(service ${spec.name}) ${what}`;
    events.unshift({ id: this.#options.place.newId(), createdAtMs: this.#options.nowMs(), message });
    events.splice(SERVICE_EVENTS_KEPT);
    this.#options.trace({ kind: 'service', service: spec.name, message });
  }

  /** Facts 4 task-event. */
  publishTask(task: Task): void {
    task.version += 1;
    this.#publish('ECS Task State Change', task.arn, describeTask(task));
  }

  /**
   * Facts 5 container-instance-event: when tasks start or stop, when the agent connects or disconnects, on
   * (de)registration.
   */
  publishInstance(instance: ContainerInstance): void {
    instance.version += 1;
    const detail = { clusterArn: instance.cluster.arn, ...describeInstance(instance) };
    this.#publish('ECS Container Instance State Change', instance.arn, detail);
  }

  /** Facts 60 update-service, 102 circuit-breaker. */
  publishDeployment({ arn, cluster }: Service, { id, rolloutState, reason, updatedAtMs }: Deployment): void {
    this.#options.publish({
      source: 'aws.ecs',
      'detail-type': 'ECS Deployment State Change',
      resources: [arn],
      detail: {
        eventType: rolloutState === 'FAILED' ? 'ERROR' : 'INFO',
        eventName: `SERVICE_DEPLOYMENT_${rolloutState}`,
        clusterArn: cluster.arn,
        deploymentId: id,
        updatedAt: new Date(updatedAtMs).toISOString(),
        reason,
      },
    });
  }

  #publish(detailType: string, resource: string, description: object): void {
    const detail = withIsoDates({ ...description, updatedAt: new Date(this.#options.nowMs()) });
    this.#options.publish({ source: 'aws.ecs', 'detail-type': detailType, resources: [resource], detail });
  }
}

/** Events write instants as ISO 8601. */
function withIsoDates(detail: Record<string, unknown>): object {
  for (const key in detail) {
    const value = detail[key];
    if (value instanceof Date) detail[key] = value.toISOString();
  }
  return detail;
}

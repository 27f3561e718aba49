import type { InstanceState } from '../trace.ts';
import { type Activity, type AutoScalingOptions, arnOf, type Group, type Instance } from './state.ts';
import type { ActivityStatus, ScalingActivity, Whereabouts } from './views.ts';

/** What an activity does. */
export interface Change {
  readonly kind: keyof typeof SUCCESS_EVENT;
  readonly description: string;
  /** The rest of its cause, after the instant. */
  readonly why: string;
  readonly origin: Whereabouts;
  readonly destination: Whereabouts;
}

/** The event of each change that succeeds. Root volume replacements have none; AWS reports none of an instance that is attached. */
const SUCCESS_EVENT = {
  launch: 'EC2 Instance Launch Successful',
  terminate: 'EC2 Instance Terminate Successful',
  detach: 'EC2 Instance Detach Successful',
  attach: undefined,
  replaceRootVolume: undefined,
} as const;

/**
 * How far an activity is when its instance is in a state (facts 42 scaling-activities): status, and progress in
 * percent.
 */
const STANDING: Readonly<Record<InstanceState, readonly [ActivityStatus, number]>> = {
  Pending: ['PreInService', 30],
  'Pending:Wait': ['MidLifecycleAction', 40],
  'Pending:Proceed': ['PreInService', 50],
  InService: ['Successful', 100],
  Terminating: ['InProgress', 0],
  'Terminating:Wait': ['MidTerminatingLifecycleAction', 60],
  'Terminating:Proceed': ['MidTerminatingLifecycleAction', 60],
  'Terminating:Retained': ['Cancelled', 100],
  Terminated: ['Successful', 100],
  Detaching: ['InProgress', 50],
  Detached: ['Successful', 100],
  ReplacingRootVolume: ['WaitingForInPlaceUpdateToStart', 0],
  'ReplacingRootVolume:Wait': ['MidTerminatingLifecycleAction', 60],
  'ReplacingRootVolume:Proceed': ['InPlaceUpdateInProgress', 60],
  RootVolumeReplaced: ['WaitingForInPlaceUpdateToFinalize', 60],
  'Warmed:Pending': ['PreInService', 30],
  'Warmed:Pending:Wait': ['MidLifecycleAction', 40],
  'Warmed:Pending:Proceed': ['PreInService', 50],
  'Warmed:Pending:Retained': ['Cancelled', 100],
  'Warmed:Stopped': ['Successful', 100],
  'Warmed:Running': ['Successful', 100],
  'Warmed:Terminating': ['InProgress', 0],
  'Warmed:Terminating:Wait': ['MidTerminatingLifecycleAction', 60],
  'Warmed:Terminating:Proceed': ['MidTerminatingLifecycleAction', 60],
  'Warmed:Terminating:Retained': ['Cancelled', 100],
  'Warmed:Terminated': ['Successful', 100],
};

/** The history of what was launched, terminated and detached, and the events that report its success. */
export class Activities {
  readonly #options: AutoScalingOptions;
  readonly #changes = new WeakMap<Activity, Change>();

  constructor(options: AutoScalingOptions) {
    this.#options = options;
  }

  /** A change of an instance begins; one that is under way is cancelled by it. */
  start(instance: Instance, change: Change): void {
    const { activity, group } = instance;
    if (activity && activity.endedAtMs === undefined) this.#end(activity, 'Cancelled');
    const started = this.#add(group, change.description, change.why);
    this.#changes.set(started, change);
    instance.activity = started;
  }

  /** The instance is in another state: its activity goes on with it. */
  follow(instance: Instance): void {
    const { activity, state } = instance;
    if (!activity || activity.endedAtMs !== undefined) return;
    const [status, progress] = STANDING[state];
    if (status === 'Successful') this.#publishSuccess(instance, activity);
    if (status === 'Successful' || status === 'Cancelled') this.#end(activity, status);
    else Object.assign(activity, { status, progress });
  }

  /** Something was wanted of the group, and is impossible. */
  noteImpossible(group: Group, description: string, why: string): void {
    const activity = this.#add(group, description, why);
    activity.details = '{}';
    this.#end(activity, 'Cancelled');
  }

  /** Those in progress first (facts 42 scaling-activities), and of either the newest first. */
  of(group: Group): readonly ScalingActivity[] {
    const { over = [], going = [] } = Object.groupBy(group.activities.toReversed(), ({ endedAtMs }) =>
      endedAtMs === undefined ? 'going' : 'over',
    );
    return [...going, ...over];
  }

  #add(group: Group, description: string, why: string): Activity {
    const { time, place } = this.#options;
    const startedAtMs = time.nowMs();
    const activity: Activity = {
      id: place.newId(),
      group: group.spec.name,
      description,
      cause: `At ${new Date(startedAtMs).toISOString().slice(0, 19)}Z ${why}`,
      startedAtMs,
      endedAtMs: undefined,
      status: 'InProgress',
      progress: 0,
      details: JSON.stringify(this.#whereabouts()),
    };
    group.activities.push(activity);
    return activity;
  }

  #end(activity: Activity, status: 'Successful' | 'Cancelled'): void {
    Object.assign(activity, { status, progress: 100, endedAtMs: this.#options.time.nowMs() });
  }

  #whereabouts(): Readonly<Record<string, string>> {
    return { 'Subnet ID': 'subnet-00000000000000001', 'Availability Zone': `${this.#options.place.region}a` };
  }

  /**
   * As the guide's event reference has it; the request's id is the activity's, as recorded from AWS
   * (facts 65 activity-events).
   */
  #publishSuccess({ instanceId, group }: Instance, activity: Activity): void {
    const { time, place, publish } = this.#options;
    const change = this.#changes.get(activity);
    const detailType = change && SUCCESS_EVENT[change.kind];
    if (!change || !detailType) return;
    const wasHeld = activity.status === 'MidTerminatingLifecycleAction';
    publish({
      source: 'aws.autoscaling',
      'detail-type': detailType,
      resources: [group.arn, arnOf(place, instanceId)],
      detail: {
        StatusCode: wasHeld ? activity.status : 'InProgress',
        Description: activity.description,
        AutoScalingGroupName: group.spec.name,
        ActivityId: activity.id,
        Details: this.#whereabouts(),
        RequestId: activity.id,
        StatusMessage: '',
        Progress: wasHeld ? activity.progress : 50,
        StartTime: new Date(activity.startedAtMs).toISOString(),
        EndTime: new Date(time.nowMs()).toISOString(),
        EC2InstanceId: instanceId,
        Cause: activity.cause,
        Origin: change.origin,
        Destination: change.destination,
      },
    });
  }
}

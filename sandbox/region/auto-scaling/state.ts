import { AwsError } from '../aws-error.ts';
import type { BusEvent } from '../event-bridge/model.ts';
import type { Place } from '../place.ts';
import type { Random } from '../time/random.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { Trace } from '../trace.ts';
import type {
  GroupSpec,
  HookSpec,
  InstanceView,
  Member,
  PendingAction,
  ScalingActivity,
  ScalingProcess,
} from './views.ts';

/** What this model needs of the rest of the Region. */
export interface AutoScalingOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly place: Place;
  readonly random: Random;
  readonly trace: Trace;
  readonly publish: (event: BusEvent) => void;
  /** The instance has booted: it registers with ECS. Called for the instances of a new, running group too. */
  readonly launched: (ec2InstanceId: string, group: GroupSpec) => void;
  /** EC2 ends the instance; one that never booted was never `launched`. */
  readonly terminate: (ec2InstanceId: string) => void;
  /** EC2 stops the instance, on its way into a warm pool, or for the replacement of its root volume. */
  readonly stopped: (ec2InstanceId: string) => void;
  /** An instance that was stopped has booted: its agent goes on with its registration, or registers again. */
  readonly restarted: (ec2InstanceId: string, agent: 'reconnects' | 'registers') => void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type Activity = Mutable<ScalingActivity>;

/** A hook holds an instance. */
export interface Action extends Mutable<PendingAction> {
  readonly instance: Instance;
}

export interface Instance extends Omit<Mutable<InstanceView>, 'group'> {
  readonly group: Group;
  /** By the name of the hook. */
  readonly actions: Map<string, Action>;
  activity: Activity | undefined;
  /** It has registered with ECS. */
  registered: boolean;
  /** Its Availability Zone, where the group has several. */
  readonly zone: string | undefined;
  /** Where it is not as the group launches them. */
  readonly member: Member | undefined;
}

export interface Group {
  spec: GroupSpec;
  readonly arn: string;
  readonly createdAtMs: number;
  desiredCapacity: number;
  readonly hooks: Map<string, HookSpec>;
  /** What counts towards the desired capacity. The oldest comes first. */
  readonly active: Map<string, Instance>;
  /** On the way out, or kept there by the instance lifecycle policy. */
  readonly leaving: Map<string, Instance>;
  /** In the warm pool, or on the way into it. */
  readonly pool: Map<string, Instance>;
  /** Replacements that a rebalance recommendation asked for: the new instance and the old one. */
  readonly rebalancing: Map<string, Instance>;
  /** How many instances an instance refresh has beyond the desired capacity. */
  surge: number;
  readonly suspended: Map<ScalingProcess, number>;
  readonly activities: Activity[];
  /** The desired capacity that protected instances kept the group from, and that its history has already. */
  unreachable: number | undefined;
  /** DeleteAutoScalingGroup has ended its instances, and it is about to be gone. */
  isDeleted: boolean;
}

export function invalid(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

/** The instance's ARN, as events name it. */
export function arnOf({ region, account }: Place, instanceId: string): string {
  return `arn:aws:ec2:${region}:${account}:instance/${instanceId}`;
}

export function viewOf(instance: Instance): InstanceView {
  const { instanceId, group, state, launchedAtMs, inServiceAtMs, healthy, protectedFromScaleIn } = instance;
  return { instanceId, group: group.spec.name, state, launchedAtMs, inServiceAtMs, healthy, protectedFromScaleIn };
}

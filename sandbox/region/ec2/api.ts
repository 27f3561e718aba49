import type {
  DescribeInstanceAttributeRequest,
  DescribeInstancesRequest,
  DescribeInstancesResult,
  Filter,
  Instance,
  InstanceAttribute,
  InstanceState,
  TerminateInstancesRequest,
  TerminateInstancesResult,
} from '@aws-sdk/client-ec2';
import type { AutoScalingModel, GroupView, InstanceView } from '../auto-scaling/model.ts';
import { isGone } from '../auto-scaling/views.ts';
import { AwsError } from '../aws-error.ts';
import { pageOf } from '../pages.ts';
import { wildcards } from '../patterns.ts';
import type { Place } from '../place.ts';
import type { Service } from '../service.ts';

/** What the API needs of the rest of the Region. */
export interface Ec2Options {
  readonly place: Place;
  readonly autoScaling: AutoScalingModel;
  readonly nowMs: () => number;
  /** When each instance that is gone was terminated. */
  readonly terminatedAtMs: ReadonlyMap<string, number>;
}

/** Facts 84 terminated-instances: how long a terminated instance is still described. */
const TERMINATED_DESCRIBED_MS = 60 * 60 * 1000;
/** The codes of the states (EC2 API reference, InstanceState). */
const STATE_CODES = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
} as const;
type StateName = keyof typeof STATE_CODES;

/** How many instances a page may have (EC2 API reference, DescribeInstances). */
const PAGE = { min: 5, max: 1_000 };
const INSTANCE_TYPE = 'm5.large';
const IMAGE = 'ami-00000000000000001';

/** EC2's API over the instances of the Auto Scaling groups: no other instances exist in the Region. */
export function ec2Service(options: Ec2Options): Service {
  return { name: 'ec2', operations: operationsOf(options) };
}

function operationsOf(options: Ec2Options): Service['operations'] {
  const { autoScaling } = options;
  const instanceOf = (id: string): Instance => {
    if (!/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id)) {
      throw new AwsError('InvalidInstanceID.Malformed', `Invalid id: "${id}"`);
    }
    const found = allInstances(options).find(({ InstanceId }) => InstanceId === id);
    if (!found) throw new AwsError('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`);
    return found;
  };

  return {
    DescribeInstances: (input: DescribeInstancesRequest): DescribeInstancesResult => {
      const { InstanceIds = [], Filters = [], MaxResults = PAGE.max, NextToken, DryRun } = input;
      refuseDryRun(DryRun);
      if (InstanceIds.length > 0 && input.MaxResults !== undefined) {
        const message = 'The parameter instancesSet cannot be used with the parameter maxResults';
        throw new AwsError('InvalidParameterCombination', message);
      }
      refusePageSize(MaxResults);
      const asked = InstanceIds.length > 0 ? InstanceIds.map(instanceOf) : allInstances(options);
      const tests = Filters.map(testOf);
      const { items, next } = pageOf(
        asked.filter((instance) => tests.every((test) => test(instance))),
        { size: MaxResults, token: NextToken },
      );
      const { account } = options.place;
      // Auto Scaling launches each instance by itself, so each has a reservation of its own.
      const Reservations = items.map((instance) => ({
        ReservationId: instance.InstanceId?.replace('i-', 'r-') ?? '',
        OwnerId: account,
        Groups: [],
        Instances: [instance],
      }));
      return { Reservations, ...(next !== undefined && { NextToken: next }) };
    },

    DescribeInstanceAttribute: (input: DescribeInstanceAttributeRequest): InstanceAttribute => {
      const { InstanceId = '', Attribute, DryRun } = input;
      const instance = instanceOf(InstanceId);
      refuseDryRun(DryRun);
      switch (Attribute) {
        case 'userData':
          return { InstanceId, UserData: { Value: userDataOf(autoScaling, InstanceId) } };
        case 'instanceType':
          return { InstanceId, InstanceType: { Value: instance.InstanceType ?? '' } };
        default:
          throw notHere(`attribute ${Attribute}`);
      }
    },

    /** Facts 21 when-hooks-run: past the hooks of the group. */
    TerminateInstances: ({ InstanceIds = [], DryRun }: TerminateInstancesRequest): TerminateInstancesResult => {
      const before = InstanceIds.map(instanceOf);
      refuseDryRun(DryRun);
      return {
        TerminatingInstances: before.map(({ InstanceId = '', State }) => {
          if (State?.Name !== 'terminated') autoScaling.terminateInstance(InstanceId, { skipHooks: true });
          return { InstanceId, PreviousState: State, CurrentState: instanceOf(InstanceId).State };
        }),
      };
    },
  };
}

/** Those that run, group by group, and then those that are gone for less than an hour. */
function allInstances(options: Ec2Options): Instance[] {
  const { autoScaling, terminatedAtMs, nowMs } = options;
  const present = autoScaling.groups().flatMap((group) => {
    const instances = autoScaling.instancesOf(group.name).filter((instance) => !isGone(instance));
    return instances.map((view) => described(options, view, group));
  });
  const gone = [...terminatedAtMs].flatMap(([instanceId, atMs]) => {
    const view = nowMs() - atMs < TERMINATED_DESCRIBED_MS ? autoScaling.instance(instanceId) : undefined;
    const group = autoScaling.groupOf(instanceId);
    return view && group ? [described(options, view, group)] : [];
  });
  return [...present, ...gone];
}

function described({ place, terminatedAtMs }: Ec2Options, view: InstanceView, group: GroupView): Instance {
  const { instanceId, state, launchedAtMs } = view;
  const terminated = terminatedAtMs.get(instanceId);
  const State = terminated === undefined ? stateIn(state) : stateNamed('terminated');
  return {
    InstanceId: instanceId,
    ImageId: IMAGE,
    InstanceType: INSTANCE_TYPE,
    State,
    LaunchTime: new Date(launchedAtMs),
    Placement: { AvailabilityZone: group.availabilityZone, Tenancy: 'default' },
    // A terminated instance has lost its address.
    ...(terminated === undefined && addressOf(instanceId, place)),
    ...(terminated !== undefined && {
      StateTransitionReason: `Service initiated (${new Date(terminated).toISOString().slice(0, 19).replace('T', ' ')} GMT)`,
    }),
    Tags: [
      { Key: 'aws:autoscaling:groupName', Value: group.name },
      ...Object.entries(group.tags ?? {}).map(([Key, Value]) => ({ Key, Value })),
    ],
    ...(group.spot && { InstanceLifecycle: 'spot' as const }),
  };
}

function stateIn(state: string): InstanceState {
  if (state === 'Pending' || state === 'Warmed:Pending') return stateNamed('pending');
  if (state === 'Warmed:Stopped') return stateNamed('stopped');
  // A hook holds an instance that runs. Only when Auto Scaling goes on does EC2 shut it down.
  return stateNamed(state.endsWith('Terminating:Proceed') ? 'shutting-down' : 'running');
}

function stateNamed(Name: StateName): InstanceState {
  return { Code: STATE_CODES[Name], Name };
}

/** From the number of the instance, so that each has another. */
function addressOf(instanceId: string, { region }: Place): Pick<Instance, 'PrivateIpAddress' | 'PrivateDnsName'> {
  const number = Number.parseInt(instanceId.slice(-4), 16);
  const bytes = [10, 0, number >> 8, number & 255];
  return {
    PrivateIpAddress: bytes.join('.'),
    PrivateDnsName: `ip-${bytes.join('-')}.${region}.compute.internal`,
  };
}

/** Says to which cluster the agent belongs, as in the ECS developer guide. */
function userDataOf(autoScaling: AutoScalingModel, instanceId: string): string {
  const cluster = autoScaling.groupOf(instanceId)?.cluster ?? '';
  return Buffer.from(`#!/bin/bash\necho ECS_CLUSTER=${cluster} >> /etc/ecs/ecs.config\n`).toString('base64');
}

/** What a filter compares, by its name; `tag:` goes on with a key. */
const FILTERED: Readonly<Record<string, (instance: Instance) => (string | undefined)[]>> = {
  'instance-id': ({ InstanceId }) => [InstanceId],
  'instance-lifecycle': ({ InstanceLifecycle }) => [InstanceLifecycle],
  'instance-state-code': ({ State }) => [String(State?.Code)],
  'instance-state-name': ({ State }) => [State?.Name],
  'instance-type': ({ InstanceType }) => [InstanceType],
  'availability-zone': ({ Placement }) => [Placement?.AvailabilityZone],
  'private-dns-name': ({ PrivateDnsName }) => [PrivateDnsName],
  'private-ip-address': ({ PrivateIpAddress }) => [PrivateIpAddress],
  'tag-key': ({ Tags = [] }) => Tags.map(({ Key }) => Key),
};

/** One of the values has to match; `*` and `?` stand for what may be there. */
function testOf({ Name = '', Values = [] }: Filter): (instance: Instance) => boolean {
  const tag = /^tag:(.+)$/s.exec(Name)?.[1];
  const ofTag = ({ Tags = [] }: Instance) => Tags.flatMap(({ Key, Value }) => (Key === tag ? [Value] : []));
  const compared = tag !== undefined ? ofTag : Object.hasOwn(FILTERED, Name) ? FILTERED[Name] : undefined;
  if (!compared) throw notHere(`filter ${Name}`);
  const patterns = Values.map((value) => wildcards(value));
  return (instance) => compared(instance).some((value) => patterns.some((matches) => matches(value ?? '')));
}

/** In EC2's words, whose *greater than 5* takes 5. */
function refusePageSize(size: number): void {
  const bound = size < PAGE.min ? `greater than ${PAGE.min}` : size > PAGE.max ? `less than ${PAGE.max}` : undefined;
  if (bound === undefined) return;
  const message = `Value ( ${size} ) for parameter maxResults is invalid. Expecting a value ${bound}.`;
  throw new AwsError('InvalidParameterValue', message);
}

function refuseDryRun(dryRun: boolean | undefined): void {
  if (dryRun) throw new AwsError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
}

function notHere(what: string): AwsError {
  return new AwsError('InvalidParameterValue', `The local Region does not know the ${what} of instances.`);
}

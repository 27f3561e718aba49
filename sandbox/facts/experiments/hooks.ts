import {
  CompleteLifecycleActionCommand,
  DeleteLifecycleHookCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeLifecycleHooksCommand,
  DescribeScalingActivitiesCommand,
  PutLifecycleHookCommand,
  RecordLifecycleActionHeartbeatCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { DescribeInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { type Experiment, NotObservable, use, type World } from '../experiment.ts';
import { instancesOf, withInstances } from './cluster.ts';
import { type DeliveredEvent, described, ready, receive, refusalOf, seconds, sleep, undo, until } from './look.ts';

const REPLACED = 'the group replaces the instance';
/** How long an instance may take to be held after it was terminated. */
const HELD_SECONDS = 60;
/** How long a group may take to launch an instance. */
const LAUNCH_SECONDS = 600;

/** What a terminating lifecycle hook does. */
/** AWS answers it, though its model of the API does not list it, and so the SDK's type does not either. */
const HELD_STATUS: string = 'MidTerminatingLifecycleAction';

export const hooks: readonly Experiment[] = [
  {
    facts: [42],
    title:
      'While a hook holds a termination, its scaling activity is MidTerminatingLifecycleAction, with progress 60 and details.',
    needs: ['group'],
    minutes: 8,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { instanceId, letGo } = await held(world);
      const activities = await activitiesOf(world);
      const own = activities.find(({ Description = '' }) => Description.includes(instanceId));
      await letGo();
      const { StatusCode, Progress, Details } = own ?? {};
      return {
        saw: own
          ? `${StatusCode}, Progress ${Progress}, ${Details ? 'with' : 'without'} Details`
          : 'there is no such activity',
        agrees: StatusCode === HELD_STATUS && Progress === 60 && Details !== undefined,
      };
    },
  },
  {
    facts: [21, 54],
    title: 'What does a Spot interruption do to a hook of the group?',
    open: true,
    needs: ['cluster', 'group', 'events'],
    minutes: 15,
    cents: 40,
    cleansUp: REPLACED,
    run: whatSpotInterruptionsDo,
  },
  {
    facts: [2],
    title: 'A hook without a notification target sends no TEST_NOTIFICATION to EventBridge.',
    needs: ['group', 'events'],
    minutes: 2,
    cents: 0,
    cleansUp: 'deletes the hook',
    async run(world) {
      await putHook(world, {});
      const isTest = (event: DeliveredEvent) => JSON.stringify(event).includes('TEST_NOTIFICATION');
      const tests = await receive(world, use(world, 'events').queueUrl, 45, isTest);
      return { saw: tests.length === 0 ? 'none within 45 s' : 'one comes', agrees: tests.length === 0 };
    },
  },
  {
    facts: [21],
    title:
      'TerminateInstances of EC2 bypasses the hook: the instance is terminated although no one has completed its action.',
    needs: ['group'],
    minutes: 8,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const InstanceIds = [await inService(world)];
      await world.ec2.send(new TerminateInstancesCommand({ InstanceIds }));
      const ended = await until(world, 100, async () => {
        const { Reservations = [] } = await world.ec2.send(new DescribeInstancesCommand({ InstanceIds }));
        const state = Reservations[0]?.Instances?.[0]?.State?.Name;
        return state === 'running' ? undefined : (state ?? 'gone');
      });
      return {
        saw: ended ? `the instance is ${ended}` : 'the instance is running 100 s later',
        agrees: ended !== undefined,
      };
    },
  },
  {
    facts: [1],
    title: 'The event of a terminating hook has the documented fields, and its token has 36 characters.',
    needs: ['group', 'events'],
    minutes: 8,
    cents: 0,
    cleansUp: REPLACED,
    run: whatTheEventSays,
  },
  {
    facts: [15],
    title: 'The container instance of a running EC2 instance that is terminated is deregistered.',
    needs: ['cluster', 'group'],
    minutes: 8,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      await withInstances(world);
      const { instanceId, letGo } = await held(world);
      await letGo();
      const goneMs = world.now();
      const isGone = async () =>
        (await instancesOf(world)).some(({ ec2InstanceId }) => ec2InstanceId === instanceId) ? undefined : true;
      const gone = await until(world, 300, isGone);
      return {
        saw: gone
          ? `no longer listed ${seconds(world.now() - goneMs)} after the hook let it go`
          : 'still listed after 300 s',
        agrees: gone === true,
      };
    },
  },
  {
    facts: [18],
    title: 'Without a heartbeat the hook ends at its heartbeat timeout, and a heartbeat restarts the timeout.',
    needs: ['group'],
    minutes: 12,
    cents: 0,
    cleansUp: REPLACED,
    run: whenHooksTimeOut,
  },
  {
    facts: [18],
    title: 'A hook that is created without values has ABANDON, 3,600 s and a global timeout of 172,800 s.',
    needs: ['group'],
    minutes: 1,
    cents: 0,
    cleansUp: 'deletes the hook',
    async run(world) {
      const { name: AutoScalingGroupName } = use(world, 'group');
      await putHook(world, {});
      const { LifecycleHooks: [hook] = [] } = await world.autoScaling.send(
        new DescribeLifecycleHooksCommand({ AutoScalingGroupName, LifecycleHookNames: [EXTRA_HOOK] }),
      );
      const { DefaultResult, HeartbeatTimeout, GlobalTimeout } = hook ?? {};
      return {
        saw: `${DefaultResult}, ${HeartbeatTimeout} s, global timeout ${GlobalTimeout} s`,
        agrees: DefaultResult === 'ABANDON' && HeartbeatTimeout === 3_600 && GlobalTimeout === 172_800,
      };
    },
  },
  {
    facts: [18],
    title: 'A heartbeat timeout of 29 s is refused.',
    needs: ['group'],
    minutes: 1,
    cents: 0,
    cleansUp: 'deletes the hook, should it be accepted',
    async run(world) {
      const refusal = await refusalOf(putHook(world, { HeartbeatTimeout: 29 }));
      return { saw: described(refusal), agrees: refusal?.code === 'ValidationError' };
    },
  },
  {
    facts: [19],
    title: 'ABANDON terminates the instance as CONTINUE does.',
    needs: ['group'],
    minutes: 8,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { instanceId, letGo } = await held(world);
      await letGo('ABANDON');
      const gone = await until(world, 300, async () =>
        (await stateOf(world, instanceId)) === undefined ? true : undefined,
      );
      return {
        saw: gone
          ? 'the instance has left the group'
          : `the instance is ${await stateOf(world, instanceId)} after 300 s`,
        agrees: gone === true,
      };
    },
  },
  {
    facts: [20, 43],
    title: 'An action that is completed by the id of its instance is gone: completing again and a heartbeat say so.',
    needs: ['group'],
    minutes: 8,
    cents: 0,
    cleansUp: REPLACED,
    run: whatIsAnsweredAfterwards,
  },
  {
    facts: [42],
    title: 'Activities in progress come first; a termination is described as "Terminating EC2 instance: i-…".',
    needs: ['group'],
    minutes: 16,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const earlier = await held(world);
      await earlier.letGo(); // So that there are activities that have ended.
      const { instanceId, letGo } = await held(world);
      const activities = await activitiesOf(world);
      await letGo();
      const ends = activities.map(({ EndTime }) => EndTime !== undefined);
      const isOrdered = ends.includes(true) && ends.lastIndexOf(false) < ends.indexOf(true);
      const own = activities.find(({ Description = '' }) => Description.includes(instanceId));
      return {
        saw: `${isOrdered ? 'those in progress first' : 'not those in progress first'}; "${own?.Description?.replace(instanceId, 'i-…')}"`,
        agrees: isOrdered && own?.Description === `Terminating EC2 instance: ${instanceId}`,
      };
    },
  },
  {
    facts: [24],
    title: 'DeleteLifecycleHook completes what the hook holds with CONTINUE.',
    needs: ['group'],
    minutes: 8,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { name: AutoScalingGroupName } = use(world, 'group');
      await putHook(world, { HeartbeatTimeout: 7_200, DefaultResult: 'ABANDON' });
      const { instanceId, letGo } = await held(world);
      await letGo();
      const stillHeld = await stateOf(world, instanceId);
      const hook = { AutoScalingGroupName, LifecycleHookName: EXTRA_HOOK };
      await world.autoScaling.send(new DeleteLifecycleHookCommand(hook));
      const left = async () => ((await stateOf(world, instanceId)) === 'Terminating:Wait' ? undefined : true);
      const gone = await until(world, 120, left);
      return {
        saw: `${stillHeld} before the hook is deleted, ${gone ? 'let go' : 'still held'} after`,
        agrees: stillHeld === 'Terminating:Wait' && gone === true,
      };
    },
  },
];

const EXTRA_HOOK = 'facts-extra';

/** Puts another terminating hook on the group until the experiment is over. */
async function putHook(
  world: World,
  settings: { readonly HeartbeatTimeout?: number; readonly DefaultResult?: 'CONTINUE' | 'ABANDON' },
): Promise<void> {
  const hook = { AutoScalingGroupName: use(world, 'group').name, LifecycleHookName: EXTRA_HOOK };
  world.defer(() => undo(world.autoScaling.send(new DeleteLifecycleHookCommand(hook))));
  const LifecycleTransition = 'autoscaling:EC2_INSTANCE_TERMINATING';
  await world.autoScaling.send(new PutLifecycleHookCommand({ ...hook, LifecycleTransition, ...settings }));
}

/** A lifecycle action that waits. */
interface Held {
  readonly instanceId: string;
  readonly action: {
    readonly AutoScalingGroupName: string;
    readonly LifecycleHookName: string;
    readonly InstanceId: string;
  };
  letGo(result?: 'CONTINUE' | 'ABANDON'): Promise<unknown>;
}

/** Terminates an instance, the chosen one or any, through Auto Scaling and waits until the hook holds it. */
export async function held(world: World, chosen?: string): Promise<Held> {
  const { name: AutoScalingGroupName, hook: LifecycleHookName } = use(world, 'group');
  const instanceId = chosen ?? (await inService(world));
  const action = { AutoScalingGroupName, LifecycleHookName, InstanceId: instanceId };
  const letGo = (LifecycleActionResult: 'CONTINUE' | 'ABANDON' = 'CONTINUE') =>
    world.autoScaling.send(new CompleteLifecycleActionCommand({ ...action, LifecycleActionResult }));
  world.defer(() => undo(letGo()));
  await world.autoScaling.send(
    new TerminateInstanceInAutoScalingGroupCommand({ InstanceId: instanceId, ShouldDecrementDesiredCapacity: false }),
  );
  const isHeld = async () => (await stateOf(world, instanceId)) === 'Terminating:Wait';
  if (!(await ready(world, HELD_SECONDS, isHeld))) {
    throw new NotObservable(
      `a terminated instance is ${(await stateOf(world, instanceId)) ?? 'gone'}, not in Terminating:Wait`,
    );
  }
  return { instanceId, action, letGo };
}

/** An instance of the group, once all of them are in service. */
export async function inService(world: World): Promise<string> {
  const { name } = use(world, 'group');
  let instanceId: string | undefined;
  const isReady = await ready(world, LAUNCH_SECONDS, async () => {
    const { AutoScalingGroups: [group] = [] } = await world.autoScaling.send(
      new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }),
    );
    const instances = group?.Instances ?? [];
    instanceId = instances[0]?.InstanceId;
    return instances.length > 0 && instances.every(({ LifecycleState }) => LifecycleState === 'InService');
  });
  if (!isReady || instanceId === undefined)
    throw new NotObservable('the group has no instances that are all in service');
  return instanceId;
}

/** The lifecycle state of an instance; undefined once no group has it. */
async function stateOf(world: World, instanceId: string): Promise<string | undefined> {
  const { AutoScalingInstances: [found] = [] } = await world.autoScaling.send(
    new DescribeAutoScalingInstancesCommand({ InstanceIds: [instanceId] }),
  );
  return found?.LifecycleState;
}

async function activitiesOf(world: World) {
  const { Activities = [] } = await world.autoScaling.send(
    new DescribeScalingActivitiesCommand({ AutoScalingGroupName: use(world, 'group').name }),
  );
  return Activities;
}

async function whatTheEventSays(world: World) {
  const { instanceId, action, letGo } = await held(world);
  const isOurs = ({ detail, ...event }: DeliveredEvent) =>
    event['detail-type'] === 'EC2 Instance-terminate Lifecycle Action' && detail.EC2InstanceId === instanceId;
  const [event] = await receive(world, use(world, 'events').queueUrl, 60, isOurs);
  await letGo();
  if (!event) return { saw: 'no such event within 60 s', agrees: false };
  const { detail, source, resources } = event;
  const agrees =
    source === 'aws.autoscaling' &&
    resources.length === 1 &&
    /^arn:aws[\w-]*:autoscaling:/.test(resources[0] ?? '') &&
    String(detail.LifecycleActionToken).length === 36 &&
    detail.AutoScalingGroupName === action.AutoScalingGroupName &&
    detail.LifecycleHookName === action.LifecycleHookName &&
    detail.LifecycleTransition === 'autoscaling:EC2_INSTANCE_TERMINATING' &&
    [undefined, 'AutoScalingGroup'].includes(detail.Origin) &&
    [undefined, 'EC2'].includes(detail.Destination);
  return { saw: `from ${source}: ${Object.keys(detail).sort().join(', ')}`, agrees };
}

async function whenHooksTimeOut(world: World) {
  const { heartbeatTimeoutSeconds } = use(world, 'group');
  const { instanceId, action } = await held(world);
  const isThere = async () => (await stateOf(world, instanceId)) === 'Terminating:Wait';
  await sleep(world, heartbeatTimeoutSeconds / 2);
  await world.autoScaling.send(new RecordLifecycleActionHeartbeatCommand(action));
  const beatenAtMs = world.now();
  await sleep(world, heartbeatTimeoutSeconds * 0.75);
  const outlived = await isThere();
  const left = await until(world, heartbeatTimeoutSeconds, async () => ((await isThere()) ? undefined : true));
  const afterMs = world.now() - beatenAtMs;
  return {
    saw: `${outlived ? 'held' : 'not held'} past the first timeout, ${left ? `let go ${seconds(afterMs)}` : `still held ${seconds(afterMs)}`} after the heartbeat, of ${heartbeatTimeoutSeconds} s`,
    agrees:
      outlived && left === true && Math.abs(afterMs / 1000 - heartbeatTimeoutSeconds) < heartbeatTimeoutSeconds / 4,
  };
}

async function whatIsAnsweredAfterwards(world: World) {
  const { action, instanceId, letGo } = await held(world);
  await letGo();
  const token = '01234567-89ab-4cde-8f01-23456789abcd';
  const { InstanceId: _, ...hook } = action;
  const again = await refusalOf(letGo());
  const byToken = await refusalOf(
    world.autoScaling.send(
      new CompleteLifecycleActionCommand({ ...hook, LifecycleActionToken: token, LifecycleActionResult: 'CONTINUE' }),
    ),
  );
  const heartbeat = await refusalOf(world.autoScaling.send(new RecordLifecycleActionHeartbeatCommand(action)));
  const says = (refusal: typeof again, end: string) =>
    refusal?.code === 'ValidationError' &&
    refusal.status === 400 &&
    refusal.message === `No active Lifecycle Action found with ${end}`;
  return {
    saw: [again, byToken, heartbeat].map((each) => described(each).replaceAll(instanceId, 'i-…')).join('; '),
    agrees:
      says(again, `instance ID ${instanceId}`) &&
      says(byToken, `token ${token}`) &&
      says(heartbeat, `instance ID ${instanceId}`),
  };
}

/** Whether the hook is called at all, and how long the instance stays. */
async function whatSpotInterruptionsDo(world: World) {
  await withInstances(world);
  const { interruptSpot } = use(world, 'group');
  if (!interruptSpot) throw new NotObservable('no Spot instance of this world can be interrupted');
  const ours = new Set((await instancesOf(world)).map(({ ec2InstanceId }) => ec2InstanceId));
  const { queueUrl } = use(world, 'events');
  await interruptSpot();
  const isWarning = ({ detail, ...event }: DeliveredEvent) =>
    event['detail-type'] === 'EC2 Spot Instance Interruption Warning' && ours.has(detail['instance-id']);
  const [warning] = await receive(world, queueUrl, 300, isWarning);
  if (!warning) throw new NotObservable('no Spot interruption warning comes within 300 s');
  const instanceId = warning.detail['instance-id'];
  const warnedAtMs = world.now();
  const states: string[] = [];
  const gone = await until(world, 420, async () => {
    const state = await stateOf(world, instanceId);
    if (state !== undefined && states.at(-1) !== state) states.push(state);
    return state === undefined ? true : undefined;
  });
  const afterMs = world.now() - warnedAtMs;
  const isHookEvent = (event: DeliveredEvent) =>
    event['detail-type'] === 'EC2 Instance-terminate Lifecycle Action' && event.detail.EC2InstanceId === instanceId;
  const [called] = await receive(world, queueUrl, 30, isHookEvent);
  const end = gone ? `out of the group ${seconds(afterMs)}` : `still in the group ${seconds(afterMs)}`;
  return {
    saw: `${states.join(', ')}; ${end} after the warning; the hook is ${called ? '' : 'not '}called`,
    agrees: 'open' as const,
  };
}

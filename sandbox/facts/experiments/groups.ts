import {
  type AutoScalingGroup,
  CancelInstanceRefreshCommand,
  DeleteAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeScalingActivitiesCommand,
  ResumeProcessesCommand,
  SetInstanceProtectionCommand,
  SuspendProcessesCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { type Experiment, NotObservable, use, type World } from '../experiment.ts';
import { held, inService } from './hooks.ts';
import { type DeliveredEvent, described, receive, refusalOf, sleep, undo } from './look.ts';

const NOTHING = 'changes nothing';
const REPLACED = 'the group replaces the instance';
const IN_USE =
  'You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.';

/** What Auto Scaling does for operators of a group. */
export const groups: readonly Experiment[] = [
  {
    facts: [48],
    title: 'DescribeScalingActivities filters by start time, and DescribeAutoScalingGroups leaves instances out.',
    needs: ['group'],
    minutes: 8,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { name: AutoScalingGroupName } = use(world, 'group');
      await inService(world);
      await (await held(world)).letGo(); // what the filter has to leave out
      await inService(world);
      await sleep(world, 2);
      const beforeMs = world.now() - 1_000; // whole seconds are what a filter takes
      const { letGo } = await held(world);
      await letGo();
      const Filters = [{ Name: 'StartTimeLowerBound', Values: [`${new Date(beforeMs).toISOString().slice(0, 19)}Z`] }];
      const { Activities = [] } = await world.autoScaling.send(
        new DescribeScalingActivitiesCommand({ AutoScalingGroupName, Filters }),
      );
      const starts = Activities.map(({ StartTime }) => StartTime?.getTime() ?? 0);
      const early = starts.filter((start) => start < Math.floor(beforeMs / 1000) * 1000);
      const { AutoScalingGroups: [group] = [] } = await world.autoScaling.send(
        new DescribeAutoScalingGroupsCommand({
          AutoScalingGroupNames: [AutoScalingGroupName],
          IncludeInstances: false,
        }),
      );
      const listed = group?.Instances?.length ?? 0;
      return {
        saw: `${starts.length} activities since then, ${early.length} of them earlier; ${listed} instances without IncludeInstances`,
        agrees: starts.length > 0 && early.length === 0 && listed === 0,
      };
    },
  },
  {
    facts: [65],
    title: 'EC2 Instance Terminate Successful comes with the activity and its cause in the detail.',
    needs: ['group', 'events'],
    minutes: 10,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { instanceId, letGo } = await held(world);
      await letGo();
      const isOurs = ({ detail, ...event }: DeliveredEvent) =>
        event['detail-type'] === 'EC2 Instance Terminate Successful' && detail.EC2InstanceId === instanceId;
      const [event] = await receive(world, use(world, 'events').queueUrl, 300, isOurs);
      const fields = ['ActivityId', 'AutoScalingGroupName', 'Cause', 'Details', 'StatusCode'];
      const missing = fields.filter((field) => event?.detail[field] === undefined);
      return {
        saw: event ? `with ${Object.keys(event.detail).sort().join(', ')}` : 'no such event within 300 s',
        agrees: event !== undefined && missing.length === 0,
      };
    },
  },
  {
    facts: [66],
    title: 'CancelInstanceRefresh without a refresh is refused: ActiveInstanceRefreshNotFound.',
    needs: ['group'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const { name: AutoScalingGroupName } = use(world, 'group');
      const refusal = await refusalOf(
        world.autoScaling.send(new CancelInstanceRefreshCommand({ AutoScalingGroupName })),
      );
      return { saw: described(refusal), agrees: refusal?.code.startsWith('ActiveInstanceRefreshNotFound') === true };
    },
  },
  {
    facts: [68],
    title: 'A process that is suspended is described as "User suspended at …".',
    needs: ['group'],
    minutes: 1,
    cents: 0,
    cleansUp: 'resumes the process',
    async run(world) {
      const { name: AutoScalingGroupName } = use(world, 'group');
      const processes = { AutoScalingGroupName, ScalingProcesses: ['AZRebalance'] };
      world.defer(() => undo(world.autoScaling.send(new ResumeProcessesCommand(processes))));
      await world.autoScaling.send(new SuspendProcessesCommand(processes));
      const { SuspendedProcesses = [] } = await groupOf(world);
      const [first] = SuspendedProcesses;
      return {
        saw: SuspendedProcesses.map(({ ProcessName, SuspensionReason }) => `${ProcessName}: ${SuspensionReason}`).join(
          ', ',
        ),
        agrees: first?.ProcessName === 'AZRebalance' && /^User suspended at \S+Z$/.test(first.SuspensionReason ?? ''),
      };
    },
  },
  {
    facts: [69],
    title: 'Scale-in protection does not stop a user, and a terminating instance cannot get it.',
    needs: ['group'],
    minutes: 8,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { name: AutoScalingGroupName } = use(world, 'group');
      const protect = (instanceId: string) => {
        const InstanceIds = [instanceId];
        const command = new SetInstanceProtectionCommand({
          AutoScalingGroupName,
          InstanceIds,
          ProtectedFromScaleIn: true,
        });
        return world.autoScaling.send(command);
      };
      const instanceId = await inService(world);
      await protect(instanceId);
      const { Instances = [] } = await groupOf(world);
      const isProtected = Instances.find(({ InstanceId }) => InstanceId === instanceId)?.ProtectedFromScaleIn === true;
      const { letGo } = await held(world, instanceId);
      const refusal = await refusalOf(protect(instanceId));
      await letGo();
      return {
        saw: `${isProtected ? 'protected' : 'not protected'}, held all the same; ${described(refusal).replace(instanceId, 'i-…')}`,
        agrees: isProtected && refusal?.message.startsWith(`The instance ${instanceId} is not in InService`) === true,
      };
    },
  },
  {
    facts: [72],
    title: 'A minimum above the maximum is refused in the documented words.',
    needs: ['group'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const { name: AutoScalingGroupName } = use(world, 'group');
      const command = new UpdateAutoScalingGroupCommand({ AutoScalingGroupName, MinSize: 3, MaxSize: 1 });
      const refusal = await refusalOf(world.autoScaling.send(command));
      return {
        saw: described(refusal),
        agrees: refusal?.message.startsWith('Max bound, 1, must be greater than or equal to min bound, 3') === true,
      };
    },
  },
  {
    facts: [103],
    title: 'A group that has instances is not deleted without ForceDelete, in the documented words.',
    needs: ['group'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    disturbs: 'the group of the stack is gone if the deletion is not refused',
    async run(world) {
      const { name: AutoScalingGroupName } = use(world, 'group');
      const { Instances: instances = [] } = await groupOf(world);
      if (instances.length === 0) throw new NotObservable('the group has no instance');
      const command = new DeleteAutoScalingGroupCommand({ AutoScalingGroupName });
      const refusal = await refusalOf(world.autoScaling.send(command));
      return {
        saw: described(refusal),
        agrees: refusal?.code.startsWith('ResourceInUse') === true && refusal.message === IN_USE,
      };
    },
  },
];

async function groupOf(world: World): Promise<Partial<AutoScalingGroup>> {
  const { AutoScalingGroups: [group] = [] } = await world.autoScaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [use(world, 'group').name] }),
  );
  return group ?? {};
}

import {
  CreateScheduleCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler';
import { type Experiment, use, type World } from '../experiment.ts';
import { type DeliveredEvent, described, receive, refusalOf, seconds, sleep, undo, until } from './look.ts';

const NEEDS = ['events', 'schedules'] as const;
const CLEANS_UP = 'deletes the schedule';

/** What EventBridge Scheduler does with one-time schedules. */
export const scheduler: readonly Experiment[] = [
  {
    facts: [29],
    title: 'Does a one-time schedule whose time has passed fire?',
    open: true,
    needs: NEEDS,
    minutes: 4,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const schedule = scheduleIn(world, 'past', -3_600);
      const refusal = await refusalOf(schedule.create('DELETE'));
      if (refusal) return { saw: `refused: ${described(refusal)}`, agrees: 'open' };
      const createdAtMs = world.now();
      const fired = await schedule.fires(180);
      const exists = await schedule.exists();
      const saw = fired
        ? `fires ${seconds(world.now() - createdAtMs)} after its creation`
        : 'does not fire within 180 s';
      return { saw: `accepted; ${saw}; ${exists ? 'it is still there' : 'it is deleted'}`, agrees: 'open' };
    },
  },
  {
    facts: [30],
    title: 'Does an update between firing and deletion save a schedule with ActionAfterCompletion DELETE?',
    open: true,
    needs: NEEDS,
    minutes: 12,
    cents: 0,
    cleansUp: CLEANS_UP,
    run: whatAnUpdateBeforeDeletionDoes,
  },
  {
    facts: [36],
    title: 'Does UpdateSchedule let a one-time schedule that has fired fire again, with ActionAfterCompletion NONE?',
    open: true,
    needs: NEEDS,
    minutes: 10,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const schedule = scheduleIn(world, 'again', 30);
      await schedule.create('NONE');
      if (!(await schedule.fires(180))) return { saw: 'the schedule does not fire at all', agrees: 'open' };
      const refusal = await refusalOf(schedule.update('NONE', 60));
      if (refusal) return { saw: `the update is refused: ${described(refusal)}`, agrees: 'open' };
      const again = await schedule.fires(210);
      return { saw: again ? 'it comes again' : 'it does not come again within 210 s', agrees: 'open' };
    },
  },
  {
    facts: [10],
    title: 'A one-time schedule fires within the minute that begins at its time, and is deleted afterwards.',
    needs: NEEDS,
    minutes: 10,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const schedule = scheduleIn(world, 'once', 60);
      await schedule.create('DELETE');
      const event = await schedule.fires(240);
      const gone = await until(world, 300, async () => ((await schedule.exists()) ? undefined : true));
      const lateMs = event ? Date.parse(event.time) - schedule.atMs() : undefined;
      return {
        saw: `${lateMs === undefined ? 'does not fire' : `fires ${seconds(lateMs)} after its time`}, ${gone ? 'is deleted' : 'is still there 300 s later'}`,
        agrees: lateMs !== undefined && lateMs >= 0 && lateMs <= 60_000 && gone === true,
      };
    },
  },
  {
    facts: [10, 27],
    title: 'A name that is taken is a conflict, HTTP 409, in the documented words.',
    needs: ['schedules'],
    minutes: 1,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const schedule = scheduleIn(world, 'taken', 3_600);
      await schedule.create('DELETE');
      const refusal = await refusalOf(schedule.create('DELETE'));
      const words = `Schedule ${schedule.name} already exists.`;
      return {
        saw: described(refusal).replace(schedule.name, 'NAME'),
        agrees: refusal?.code === 'ConflictException' && refusal.status === 409 && refusal.message === words,
      };
    },
  },
  {
    facts: [27],
    title: 'A schedule that does not exist is not found, HTTP 404, in the documented words.',
    needs: ['schedules'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const { name, get } = scheduleIn(world, 'absent', 3_600);
      const refusal = await refusalOf(get());
      const words = `Schedule ${name} does not exist.`;
      return {
        saw: described(refusal).replace(name, 'NAME'),
        agrees: refusal?.code === 'ResourceNotFoundException' && refusal.status === 404 && refusal.message === words,
      };
    },
  },
  {
    facts: [27],
    title: 'An expression with a Z is refused in the documented words.',
    needs: ['schedules'],
    minutes: 1,
    cents: 0,
    cleansUp: 'deletes the schedule, should it be accepted',
    async run(world) {
      const expression = 'at(2099-01-01T00:00:00Z)';
      const schedule = scheduleIn(world, 'zulu', 3_600);
      const refusal = await refusalOf(schedule.create('DELETE', { expression }));
      return {
        saw: described(refusal),
        agrees:
          refusal?.code === 'ValidationException' &&
          refusal.status === 400 &&
          refusal.message === `Invalid Schedule Expression ${expression}.`,
      };
    },
  },
  {
    facts: [27],
    title: 'A target whose event has a source that begins with `aws.` is refused.',
    needs: ['schedules'],
    minutes: 1,
    cents: 0,
    cleansUp: 'deletes the schedule, should it be accepted',
    async run(world) {
      const schedule = scheduleIn(world, 'forged', 3_600);
      const refusal = await refusalOf(schedule.create('DELETE', { source: 'aws.facts' }));
      return { saw: described(refusal), agrees: refusal?.code === 'ValidationException' };
    },
  },
  {
    facts: [27],
    title: 'UpdateSchedule resets what it omits to the default.',
    needs: ['schedules'],
    minutes: 1,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const schedule = scheduleIn(world, 'defaults', 3_600);
      await schedule.create('DELETE', { description: 'facts' });
      await schedule.update(undefined, 3_600);
      const { ActionAfterCompletion, Description } = await schedule.get();
      return {
        saw: `ActionAfterCompletion ${ActionAfterCompletion}, ${Description ? 'the description stays' : 'no description'}`,
        agrees: (ActionAfterCompletion ?? 'NONE') === 'NONE' && !Description,
      };
    },
  },
];

interface Settings {
  readonly expression?: string;
  readonly source?: string;
  readonly description?: string;
}

/** A one-time schedule that puts an event on the bus, so many seconds from now; deleted when the experiment is over. */
function scheduleIn(world: World, purpose: string, inSeconds: number) {
  const { group: GroupName, busArn: Arn, roleArn: RoleArn } = use(world, 'schedules');
  const name = `facts-${purpose}-${Math.round(world.now())}`;
  const named = { Name: name, GroupName };
  const at = (inSeconds: number) => Math.ceil(world.now() / 1000 + inSeconds) * 1000;
  let atMs = at(inSeconds);
  const settings = ({ expression, source = 'facts', description }: Settings) => ({
    ...named,
    ScheduleExpression: expression ?? `at(${new Date(atMs).toISOString().slice(0, 19)})`,
    FlexibleTimeWindow: { Mode: 'OFF' as const },
    Target: { Arn, RoleArn, Input: '{}', EventBridgeParameters: { Source: source, DetailType: name } },
    ...(description !== undefined && { Description: description }),
  });
  const get = () => world.scheduler.send(new GetScheduleCommand(named));
  return {
    name,
    get,
    atMs: () => atMs,
    create(ActionAfterCompletion: 'NONE' | 'DELETE', more: Settings = {}) {
      world.defer(() => undo(world.scheduler.send(new DeleteScheduleCommand(named))));
      return world.scheduler.send(new CreateScheduleCommand({ ...settings(more), ActionAfterCompletion }));
    },
    update(ActionAfterCompletion: 'NONE' | 'DELETE' | undefined, inSeconds: number) {
      atMs = at(inSeconds);
      return world.scheduler.send(new UpdateScheduleCommand({ ...settings({}), ActionAfterCompletion }));
    },
    async exists(): Promise<boolean> {
      return (await refusalOf(get()))?.code !== 'ResourceNotFoundException';
    },
    async fires(withinSeconds: number): Promise<DeliveredEvent | undefined> {
      const isOurs = (event: DeliveredEvent) => event['detail-type'] === name;
      const [event] = await receive(world, use(world, 'events').queueUrl, withinSeconds, isOurs);
      return event;
    },
  };
}

async function whatAnUpdateBeforeDeletionDoes(world: World) {
  const schedule = scheduleIn(world, 'saved', 30);
  await schedule.create('DELETE');
  if (!(await schedule.fires(180))) return { saw: 'the schedule does not fire at all', agrees: 'open' as const };
  const refusal = await refusalOf(schedule.update('DELETE', 240));
  if (refusal) return { saw: `the update comes too late: ${described(refusal)}`, agrees: 'open' as const };
  await sleep(world, 180);
  const survived = await schedule.exists();
  const again = survived && (await schedule.fires(180));
  const saw = survived ? 'it survives' : 'it is deleted with what was set';
  return {
    saw: `${saw}${survived ? (again ? ' and comes again' : ' and does not come again') : ''}`,
    agrees: 'open' as const,
  };
}

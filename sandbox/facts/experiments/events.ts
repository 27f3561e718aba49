import { PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { type Experiment, use, type World } from '../experiment.ts';
import { atRest, instance, placed, stop } from './cluster.ts';
import { type DeliveredEvent, described, receive, refusalOf } from './look.ts';

const NOTHING = 'changes nothing';
const ENTRY: PutEventsRequestEntry = { Source: 'facts', DetailType: 'Facts', Detail: '{}' };

/** What EventBridge takes and delivers, and which events ECS sends. */
export const events: readonly Experiment[] = [
  {
    facts: [4],
    title: 'ECS Task State Change comes for each status of a task, and describes the task.',
    needs: ['cluster', 'events'],
    minutes: 6,
    cents: 0,
    cleansUp: 'the service replaces the task',
    run: whichEventsATaskHas,
  },
  {
    facts: [5],
    title: 'ECS Container Instance State Change comes when a task of the instance stops, and its version rises.',
    needs: ['cluster', 'events'],
    minutes: 6,
    cents: 0,
    cleansUp: 'the service replaces the task',
    async run(world) {
      const { services } = await atRest(world);
      const { taskArn, containerInstanceArn } = await placed(world, services.web);
      const { version: before = 0 } = await instance(world, containerInstanceArn);
      await stop(world, taskArn);
      const isOurs = ({ detail, ...event }: DeliveredEvent) =>
        event['detail-type'] === 'ECS Container Instance State Change' &&
        detail.containerInstanceArn === containerInstanceArn &&
        detail.version > before;
      const [event] = await receive(world, use(world, 'events').queueUrl, 120, isOurs);
      const saw = event ? `version ${event.detail.version} after version ${before}` : 'no such event within 120 s';
      return { saw, agrees: event !== undefined };
    },
  },
  {
    facts: [7],
    title: 'A partial failure of PutEvents answers 200 with FailedEntryCount and the ErrorCode of the entry.',
    needs: ['events'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const { FailedEntryCount, Entries = [] } = await put(world, [{ ...ENTRY, Detail: '{' }, ENTRY]);
      const [bad, good] = Entries;
      return {
        saw: `FailedEntryCount ${FailedEntryCount}; ${bad?.ErrorCode ?? 'no ErrorCode'}; ${good?.EventId ? 'the other entry has an EventId' : 'no EventId'}`,
        agrees: FailedEntryCount === 1 && bad?.ErrorCode === 'MalformedDetail' && good?.EventId !== undefined,
      };
    },
  },
  {
    facts: [7],
    title: 'PutEvents refuses more than ten entries, and publishes none of them.',
    needs: ['events'],
    minutes: 2,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const Resources = [`facts-${world.now()}`];
      const refusal = await refusalOf(
        put(
          world,
          Array.from({ length: 11 }, () => ({ ...ENTRY, Resources })),
        ),
      );
      const isOurs = ({ resources }: DeliveredEvent) => resources.includes(Resources[0] ?? '');
      const delivered = await receive(world, use(world, 'events').queueUrl, 20, isOurs);
      return {
        saw: `${described(refusal)}; ${delivered.length === 0 ? 'none' : 'some'} delivered`,
        agrees: refusal?.code === 'ValidationException' && refusal.status === 400 && delivered.length === 0,
      };
    },
  },
  {
    facts: [7],
    title: 'An event has the EventId that PutEvents answers as its id, and the Time of its entry as its time.',
    needs: ['events'],
    minutes: 2,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const Time = new Date(Math.floor(world.now() / 1000) * 1000 - 60_000);
      const { Entries: [entry] = [] } = await put(world, [{ ...ENTRY, Time }]);
      const isOurs = ({ id }: DeliveredEvent) => id === entry?.EventId;
      const [event] = await receive(world, use(world, 'events').queueUrl, 60, isOurs);
      const isKept = event !== undefined && Date.parse(event.time) === Time.getTime();
      const time = isKept ? 'so is the time' : 'the time is another';
      return { saw: event ? `the id is the same, ${time}` : 'no event with that id within 60 s', agrees: isKept };
    },
  },
  {
    facts: [26],
    title: 'PutEvents refuses an entry whose source begins with `aws.`.',
    needs: ['events'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const { FailedEntryCount, Entries: [entry] = [] } = await put(world, [{ ...ENTRY, Source: 'aws.autoscaling' }]);
      return {
        saw: `FailedEntryCount ${FailedEntryCount}; ${entry?.ErrorCode ?? 'no ErrorCode'}`,
        agrees: FailedEntryCount === 1 && entry?.ErrorCode === 'NotAuthorizedForSourceException',
      };
    },
  },
  {
    facts: [44],
    title: 'A rule with a rate sends a Scheduled Event of `aws.events` every minute.',
    needs: ['events'],
    minutes: 4,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const isScheduled = (event: DeliveredEvent) => event['detail-type'] === 'Scheduled Event';
      // Each comes at least once (facts 7 event-retries).
      const timesOf = (events: readonly DeliveredEvent[]) =>
        [...new Set(events.map(({ time }) => Date.parse(time)))].sort();
      const isEnough = (events: readonly DeliveredEvent[]) => timesOf(events).length > 1;
      const events = await receive(world, use(world, 'events').queueUrl, 190, isScheduled, isEnough);
      const [first = 0, second = first] = timesOf(events);
      const sources = new Set(events.map(({ source }) => source));
      return {
        saw: `from ${[...sources].join(', ')}, ${(second - first) / 1000} s apart`,
        agrees: [...sources].join() === 'aws.events' && Math.abs(second - first - 60_000) < 10_000,
      };
    },
  },
];

async function put(world: World, Entries: PutEventsRequestEntry[]) {
  use(world, 'events');
  return world.events.send(new PutEventsCommand({ Entries }));
}

async function whichEventsATaskHas(world: World) {
  const { services } = await atRest(world);
  const { taskArn } = await placed(world, services.web);
  await stop(world, taskArn);
  const isOurs = ({ detail, ...event }: DeliveredEvent) =>
    event['detail-type'] === 'ECS Task State Change' && detail.taskArn === taskArn;
  const isEnough = (events: readonly DeliveredEvent[]) => events.some(({ detail }) => detail.lastStatus === 'STOPPED');
  const seen = await receive(world, use(world, 'events').queueUrl, 180, isOurs, isEnough);
  // EventBridge keeps no order (facts 3 event-delivery): the version has it.
  const ordered = seen.toSorted((a, b) => a.detail.version - b.detail.version);
  const statuses = [...new Set(ordered.map(({ detail }) => detail.lastStatus))];
  const last = ordered.at(-1)?.detail ?? {};
  const fields = [
    'taskArn',
    'clusterArn',
    'containerInstanceArn',
    'group',
    'lastStatus',
    'desiredStatus',
    'stopCode',
    'stoppedReason',
    'startedBy',
    'version',
  ];
  const missing = fields.filter((field) => last[field] === undefined);
  return {
    saw: `${statuses.join(', ') || 'no event'}${missing.length > 0 ? `; without ${missing.join(', ')}` : ''}`,
    agrees: ['STOPPING', 'STOPPED'].every((each) => statuses.includes(each)) && missing.length === 0,
  };
}

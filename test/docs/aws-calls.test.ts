import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { templateOf } from '../../deploy/template.ts';
import type { LogLine } from '../../sandbox/logs.ts';
import { casesOf } from '../exhaustive/extent.ts';
import { type Course, type PartialAnswer, type Play, played, TROUBLES, type Trouble } from './troubled-calls.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8');

/** What stands after a word in the page, as rows of cells. */
function rowsIn(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(1).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const page = read('docs/aws-calls.md');
const [, table = ''] = /<!-- the table that the test walks -->(.*)<!-- the end of the table -->/s.exec(page) ?? [];
const ROWS = rowsIn(table).map(([call = '', purpose = '', vital = '', ...cells]) => {
  const [service = '', operation = ''] = call.split(':');
  return { service, operation, purpose, vital, cells };
});
const [, others = ''] = /## Permissions without a call of the function(.*)/s.exec(page) ?? [];
const WITHOUT_CALL = rowsIn(others).flatMap(([permissions = '']) => permissions.split(', '));

// --- Answers in part -----------------------------------------------------------------------------------------------------

/** A page with nothing on it, and a token for the next one. */
function emptyPageFirst(list: string): PartialAnswer {
  const tokenIn = (body: string) => body.includes('"nextToken"');
  return {
    isDone: true,
    asked: (body) => (tokenIn(body) ? JSON.stringify({ ...JSON.parse(body), nextToken: undefined }) : body),
    answer: (asked, answered = '') => (tokenIn(asked) ? answered : JSON.stringify({ [list]: [], nextToken: 'more' })),
  };
}

/** All that was asked for is in `failures`. */
function onlyFailures(list: string, askedAs: string, reason = 'MISSING'): PartialAnswer {
  const failuresFor = (asked: string) => JSON.parse(asked)[askedAs].map((arn: string) => ({ arn, reason }));
  return { isDone: false, answer: (asked) => JSON.stringify({ [list]: [], failures: failuresFor(asked) }) };
}

/** A list of the XML answer has nothing in it. */
function without(list: string): PartialAnswer {
  const filled = new RegExp(`<${list}>.*</${list}>`, 's');
  return { isDone: true, answer: (_, answered = '') => answered.replace(filled, `<${list}/>`) };
}

const noSchedules: PartialAnswer = {
  isDone: true,
  answer: (_, answered = '') => JSON.stringify({ ...JSON.parse(answered), Schedules: [] }),
};
const failedEntry: PartialAnswer = {
  isDone: false,
  answer: () => JSON.stringify({ FailedEntryCount: 1, Entries: [{ ErrorCode: 'InternalFailure', ErrorMessage: '' }] }),
};
const failedMessage: PartialAnswer = {
  isDone: false,
  answer: () => JSON.stringify({ Failed: [{ Id: '0', Code: 'InternalError', SenderFault: false }] }),
};

// --- For each row of the table a drain that makes the call ----------------------------------------------------------------

const isContinuation = (body: string) => body.includes('ECS Drain Continuation');

const short: Play = { taskSeconds: 100 };
/** The sweep finds the instance after three minutes. */
const eventLost: Play = { ...short, isEventLost: true, to: 330 };
/** The task outlasts the deadline, and is stopped ahead of it. The trouble ends when a stop still helps. */
const straggling: Play = { taskSeconds: 5_000, environment: { STOP_STRAGGLERS: 'standalone' }, to: 365 };
/** A service's task outlasts the deadline, and no one stops it. */
const stuck: Play = { taskSeconds: 250, hasStuckService: true, to: 500 };

/** It ends before the next sweep. */
const returning: Play = { taskSeconds: 10, hasReturning: true };

const PLAYS: Readonly<Record<string, Readonly<Record<string, Play>>>> = {
  ListContainerInstances: {
    'finding the instance': { ...short, partial: emptyPageFirst('containerInstanceArns') },
  },
  DescribeContainerInstances: {
    'looking at the instance': {
      ...short,
      from: 5,
      partial: onlyFailures('containerInstances', 'containerInstances'),
    },
  },
  UpdateContainerInstancesState: {
    'setting it to DRAINING': {
      ...short,
      partial: onlyFailures('containerInstances', 'containerInstances', 'INACTIVE'),
    },
  },
  PutAttributes: {
    'marking what may stay in service, before DRAINING': { ...short, environment: { DEADLINE_RESULT: 'ABANDON' } },
  },
  DeleteAttributes: { 'the sweep, for an instance that stays': returning },
  DescribeAutoScalingInstances: { 'the sweep, for an instance that stays': returning },
  ListTasks: { 'finding its tasks': { ...short, partial: emptyPageFirst('taskArns') } },
  DescribeTasks: { 'looking at its tasks': { ...short, partial: onlyFailures('tasks', 'tasks') } },
  StopTask: { 'stopping stragglers': straggling },
  DescribeServices: {
    'distinguishing daemons from replicas, to stop stragglers': {
      ...stuck,
      environment: { STOP_STRAGGLERS: 'all', STUCK_FRACTION: '1' },
      partial: onlyFailures('services', 'services'),
    },
    'explaining why tasks stay': { ...stuck, partial: onlyFailures('services', 'services') },
  },
  DescribeTaskDefinition: { 'stop timeouts, to stop stragglers': straggling },
  GetTaskProtection: { 'explaining why tasks stay': { ...stuck, partial: onlyFailures('protectedTasks', 'tasks') } },
  DescribeLifecycleHooks: { 'how long the hook holds': short, 'the sweep, for a lost event': eventLost },
  DescribeAutoScalingGroups: { 'the sweep, for a lost event': { ...eventLost, partial: without('AutoScalingGroups') } },
  DescribeScalingActivities: {
    'checking the start before tasks are killed': {
      taskSeconds: 5_000,
      from: 350,
      to: 500,
      partial: without('Activities'),
    },
    'the sweep, for a lost event': { ...eventLost, partial: without('Activities') },
  },
  RecordLifecycleActionHeartbeat: {
    'keeping the hook alive': { taskSeconds: 450, environment: { DEADLINE_SECONDS: '600' }, from: 50, to: 300 },
  },
  CompleteLifecycleAction: { 'ending the drain': short },
  PutEvents: {
    'events about drains': { ...short, isMeant: (body) => !isContinuation(body), partial: failedEntry },
    'handing over at the end of an invocation': {
      ...short,
      environment: { MARGIN_SECONDS: '50' },
      slowUntil: 100,
      isMeant: isContinuation,
      partial: failedEntry,
    },
  },
  CreateSchedule: { parking: short },
  UpdateSchedule: { 'parking again': { taskSeconds: 300, to: 300 } },
  GetSchedule: { 'waking a parked drain': short },
  DeleteSchedule: { 'after the end': short },
  ListSchedules: { 'the sweep, for a lost event': { ...eventLost, partial: noSchedules } },
  SendMessageBatch: { 'waiting for seconds': { ...short, partial: failedMessage } },
  SendMessage: { 'an event to the dead-letter queue': { ...short, message: 'no event' } },
};

const courses = new Map<string, Course>();

/** The same drain with nothing in trouble. */
async function untroubled(play: Play): Promise<Course> {
  const { environment, hookSeconds, taskSeconds, hasStuckService, hasReturning, isEventLost, slowUntil, message } =
    play;
  const key = JSON.stringify([
    environment,
    hookSeconds,
    taskSeconds,
    hasStuckService,
    hasReturning,
    isEventLost,
    slowUntil,
    message,
  ]);
  const course = courses.get(key) ?? (await played('', play, undefined));
  courses.set(key, course);
  return course;
}

// --- What came of it ------------------------------------------------------------------------------------------------------

/** How a log line shows that it is about the trouble. */
const SIGNS: Readonly<Record<Trouble, RegExp>> = {
  denied: /not authorized/,
  throttled: /Rate exceeded/,
  hangs: /Request timed out|Request aborted/,
  'in part': /MISSING|INACTIVE|Internal(Failure|Error)|does not describe|describes 0|did not set/,
};

function linesAbout(trouble: Trouble, { logs }: Course): LogLine[] {
  const isLoud = ({ level }: LogLine) => level === 'WARN' || level === 'ERROR';
  return logs.filter((line) => isLoud(line) && SIGNS[trouble].test(JSON.stringify(line)));
}

/** How a drain ended that was in trouble, and how the log reports it, in the words of the page. */
function cellFor(trouble: Trouble, course: Course, usual: Course): string {
  const lines = linesAbout(trouble, course);
  // That a drain ends at its deadline is an error by itself, and explains the tasks.
  const isError = lines.some(({ level, message }) => level === 'ERROR' && !String(message).startsWith('Timed out: '));
  return `${endOf(course, usual)}, ${isError ? 'error' : lines.length > 0 ? 'reported' : 'silent'}`;
}

function endOf(course: Course, usual: Course): string {
  if (course.endedBy !== 'completion') return 'left to the hook';
  if (course.killedTasks > usual.killedTasks) return 'at the deadline';
  return course.endSecond > usual.endSecond + 60 ? 'late' : 'on time';
}

describe('a drain with one of its AWS calls in trouble', () => {
  it('has a play for each row of the table', () => {
    const plays = Object.entries(PLAYS).flatMap(([operation, uses]) =>
      Object.keys(uses).map((use) => [operation, use]),
    );
    expect(plays.toSorted()).toEqual(ROWS.map(({ operation, purpose }) => [operation, purpose]).toSorted());
  });

  it.each(ROWS)(
    'does what docs/aws-calls.md says: $operation, $purpose',
    async ({ operation, purpose, vital, cells }) => {
      const play = PLAYS[operation]?.[purpose];
      if (!play) throw new Error('There is no play for this row.');
      const usual = await untroubled(play);
      expect(usual.endedBy).toBe('completion');
      const found: string[] = [];
      for (const trouble of TROUBLES) {
        if (trouble === 'in part' && !play.partial) {
          found.push('–');
          continue;
        }
        const course = await played(operation, play, trouble);
        expect(course.troubled, `${operation} is made while it is ${trouble}`).toBeGreaterThan(0);
        found.push(cellFor(trouble, course, usual));
        if (vital === 'no') expect(endOf(course, usual), `${operation} is not vital`).toBe('on time');
        if (vital === 'no' && trouble === 'denied' && /^(Describe|Get)/.test(operation)) {
          const reports = linesAbout(trouble, course).map(({ message }) => String(message).slice(0, 20));
          expect(new Set(reports).size, `${operation} is reported once`).toBe(reports.length);
        }
        if (play.message !== undefined) expect(course.kept, 'no event is lost').toBe(1);
      }
      expect(found).toEqual(cells);
    },
  );
});

/** The sweep comes too late for so short a hook, and so does every answer where all calls are slow. */
const ON_SHORT_HOOK = ROWS.filter(({ operation, purpose }) => {
  const play = PLAYS[operation]?.[purpose];
  return !play?.isEventLost && !play?.slowUntil;
});

describe('a drain whose hook is one of the shortest', () => {
  it.each(casesOf(ON_SHORT_HOOK, 4))(
    'is held open while another call than the heartbeat hangs: $operation, $purpose',
    async ({ operation, purpose, cells }) => {
      const play = { ...PLAYS[operation]?.[purpose], hookSeconds: 30 } as Play;
      const usual = await untroubled(play);
      expect(usual.endedBy).toBe('completion');
      const course = await played(operation, play, 'hangs');
      expect(course.troubled, `${operation} is made while it hangs`).toBeGreaterThan(0);
      const [end] = cells[TROUBLES.indexOf('hangs')]?.split(',') ?? [];
      const isHeartbeat = operation === 'RecordLifecycleActionHeartbeat';
      expect(course.endedBy).toBe(isHeartbeat ? 'timeout' : 'completion');
      const killsMore = end === 'at the deadline' || isHeartbeat;
      if (!killsMore) expect(course.killedTasks).toBe(usual.killedTasks);
    },
  );
});

describe('the table of AWS calls', () => {
  const operations = new Set(ROWS.map(({ operation }) => operation));

  it('has every operation that the code sends, and no other', () => {
    const sent = globSync('src/**/*.ts', { cwd: ROOT }).flatMap((file) =>
      [...read(file).matchAll(/\bnew (\w+)Command\(|\bpaginate(\w+)\(/g)].map(([, one, pages]) => one ?? pages ?? ''),
    );
    expect(sent.length).toBeGreaterThan(20);
    expect([...new Set(sent)].toSorted()).toEqual([...operations].toSorted());
  });

  it('has every permission of the function’s role, and no other', () => {
    const { Resources } = templateOf({ cluster: 'prod', autoScalingGroups: 'web', stopStragglers: 'all' }, 'main');
    const policies = ['IamRoleLambdaExecution', 'ParkingPolicy'].map((id) => Resources[id]);
    const actions = [...JSON.stringify(policies).matchAll(/"Action":(\[[^\]]*\])/g)].flatMap(([, list = '']) =>
      JSON.parse(list),
    );
    const granted = new Set(actions.filter((action) => !/^(logs|sts):/.test(action)));
    const needed = ROWS.map(
      ({ service, operation }) => `${service}:${operation.replace(/^SendMessageBatch$/, 'SendMessage')}`,
    );
    expect([...granted].toSorted()).toEqual([...new Set([...needed, ...WITHOUT_CALL])].toSorted());
  });
});

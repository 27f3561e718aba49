import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import type { LambdaModel } from '../../sandbox/region/lambda/model.ts';
import { deployedRegion, FUNCTION, WAKE_UPS, type World } from './deployed-region.ts';

const CLI = resolve(import.meta.dirname, '../../cli/ecs-drain.ts');
const TOKEN = '00000000-0000-4000-8000-00000000000';

/** What Auto Scaling sends when it holds an instance. */
function termination(instanceId: string | undefined, more: object = {}) {
  return {
    version: '0',
    id: 'an-event',
    source: 'aws.autoscaling',
    'detail-type': 'EC2 Instance-terminate Lifecycle Action',
    account: '123456789012',
    time: '2026-01-01T00:05:00Z',
    region: 'eu-west-1',
    resources: [],
    detail: {
      LifecycleActionToken: `${TOKEN}1`,
      AutoScalingGroupName: 'web',
      LifecycleHookName: 'ecs-drain',
      EC2InstanceId: instanceId,
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      ...more,
    },
  };
}

/** What Lambda puts around an event with which the function of version 0.1.0 failed. */
const recordOf = (requestPayload: unknown) => ({
  version: '1.0',
  requestContext: { requestId: 'a-request', condition: 'RetriesExhausted', approximateInvokeCount: 3 },
  requestPayload,
  responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
  responsePayload: { errorType: 'Error', errorMessage: 'It broke' },
});

const UNREADABLE = termination('i-none');

async function fileOf(content: unknown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-replay-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'event.json');
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

/** A Region in which the events of two instances got lost, and whatever else is in the dead-letter queue. */
async function regionWith(...letters: Letter[]) {
  return filledRegion({}, ...letters);
}

type Letter = [body: unknown, attributes?: Record<string, string>];

async function filledRegion(world: World, ...letters: Letter[]) {
  const deployed = await deployedRegion({ rules: ['continuation', ...WAKE_UPS], ...world });
  for (const [body, attributes] of letters) {
    deployed.deadLetters.send(typeof body === 'string' ? body : JSON.stringify(body), 0, attributes);
    await deployed.pass(1);
  }
  return deployed;
}

const DRY_RUN = { params: { dryRun: true, createLifecycleHooks: false } };
const INSTANCES = ['i-00000000000000001', 'i-00000000000000002'] as const;
/** One that EventBridge could not deliver, with the reason in its attributes; and one of version 0.1.0. */
const BOTH: [unknown, Record<string, string>?][] = [
  [termination(INSTANCES[0]), { ERROR_CODE: 'NO_PERMISSIONS', ERROR_MESSAGE: 'No permission to send' }],
  [recordOf(termination(INSTANCES[1]))],
];

/** The events in the batches that the function was given. */
function eventsGivenTo({ invocations }: LambdaModel): ReturnType<typeof termination>[] {
  return invocations.flatMap(({ event }) =>
    (event as { readonly Records: readonly { readonly body: string }[] }).Records.map(({ body }) => JSON.parse(body)),
  );
}

describe('ecs-drain replay FILE', () => {
  it('shows what it would send and what the function would do with it, and sends nothing', async () => {
    const { run, json, region, instanceIds } = await regionWith();
    const file = await fileOf(termination(instanceIds[0]));
    const { status, stdout } = await run('replay', file);
    expect(status).toBe(0);
    expect(stdout).toBe(
      `${file}: EC2 Instance-terminate Lifecycle Action from aws.autoscaling, 2026-01-01T00:05:00Z
  the function would: begin the drain of ${instanceIds[0]} of group web.

1 event would be sent to ${FUNCTION}. Nothing was sent: add --yes to send.
`,
    );
    expect((await json('replay', file)).answer).toEqual({
      function: FUNCTION,
      events: [
        {
          from: file,
          event: termination(instanceIds[0]),
          verdict: 'drain',
          sentence: `begin the drain of ${instanceIds[0]} of group web.`,
          fate: 'would be sent',
        },
      ],
    });
    expect(region.calls.filter(({ operation }) => operation === 'Invoke')).toEqual([]);
  });

  it('sends it with --yes, and the function drains the instance', async () => {
    const { run, region, lambda, instanceIds, pass } = await regionWith();
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    const [pending] = region.autoScaling.pendingActions();
    const event = termination(first, { LifecycleActionToken: pending?.token });
    const { status, stdout } = await run('replay', await fileOf(event), '--yes');
    expect(status).toBe(0);
    expect(stdout).toContain(`1 event sent to ${FUNCTION}`);
    await pass(1_200);
    expect(eventsGivenTo(lambda)[0]).toEqual(event);
    expect(region.autoScaling.completions).toMatchObject([{ instanceId: first, by: 'completion', result: 'CONTINUE' }]);
  });

  it('takes the event out of Lambda’s record of its failure, which version 0.1.0 kept', async () => {
    const { json, instanceIds } = await regionWith();
    const { answer } = await json('replay', await fileOf(recordOf(termination(instanceIds[0]))));
    expect(answer.events).toMatchObject([{ event: termination(instanceIds[0]), reason: 'It broke', verdict: 'drain' }]);
  });

  it('takes messages as SQS gives them: one, or what receive-message prints', async () => {
    const { json } = await regionWith();
    const [first, second] = BOTH.map(([body, attributes = {}], i) => ({
      MessageId: `letter-${i}`,
      ReceiptHandle: 'a-handle',
      MD5OfBody: '0',
      Body: JSON.stringify(body),
      MessageAttributes: Object.fromEntries(
        Object.entries(attributes).map(([name, StringValue]) => [name, { StringValue, DataType: 'String' }]),
      ),
    }));
    const one = await fileOf(first);
    expect((await json('replay', one)).answer.events).toMatchObject([
      {
        from: `${one}, message letter-0`,
        event: termination(INSTANCES[0]),
        reason: 'No permission to send',
        verdict: 'drain',
      },
    ]);
    expect((await json('replay', await fileOf({ Messages: [first, second] }))).answer.events).toMatchObject([
      { event: termination(INSTANCES[0]), reason: 'No permission to send', verdict: 'drain' },
      { event: termination(INSTANCES[1]), reason: 'It broke', verdict: 'drain' },
    ]);
  });

  it('puts a bare continuation into an event, so that the function does not trust it', async () => {
    const { json, region, instanceIds, pass } = await deployedRegion();
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const [{ Name = '' } = {}] =
      region.scheduler.operations.ListSchedules({ GroupName: 'ecs-drain-main' }).Schedules ?? [];
    const schedule = region.scheduler.operations.GetSchedule({ GroupName: 'ecs-drain-main', Name });
    const { answer } = await json('replay', await fileOf(schedule.Target?.Input ?? ''));
    expect(answer.events).toMatchObject([
      {
        event: { source: 'ecs-drain.main', 'detail-type': 'ECS Drain Continuation', account: '123456789012' },
        verdict: 'continuation',
        sentence: `continue the drain of ${instanceIds[0]} of group web.`,
      },
    ]);
  });

  it.each([
    [
      'no one waits for',
      { ...termination(INSTANCES[0]), source: 'aws.ec2' },
      'ignored',
      /^ignore it: nothing here handles/,
    ],
    [
      'is of another group',
      termination(INSTANCES[0], { AutoScalingGroupName: 'batch' }),
      'ignored',
      /group batch is not among/,
    ],
  ])('says that the function would ignore what %s', async (_, event, verdict, sentence) => {
    const { json, run } = await regionWith();
    const { status, answer } = await json('replay', await fileOf(event));
    expect(status).toBe(0);
    expect(answer.events).toMatchObject([{ verdict, sentence: expect.stringMatching(sentence) }]);
    expect((await run('replay', await fileOf(event))).stdout).toMatch(
      /\nThe function ignores 1 event: nothing is drained because of that\.\n$/,
    );
  });

  it('says that the function is in a dry run, and sends it all the same', async () => {
    const { run, json, instanceIds } = await deployedRegion(DRY_RUN);
    const file = await fileOf(termination(instanceIds[0]));
    expect((await run('replay', file)).stdout).toMatch(
      /^The function ecs-drain-main-drain is in a dry run: it would change nothing\.\n/,
    );
    const { status, answer } = await json('replay', file, '--yes');
    expect(status).toBe(0);
    expect(answer).toMatchObject({ dryRun: true, events: [{ fate: 'sent' }] });
  });

  it('never sends what the function cannot understand', async () => {
    const { json, region } = await regionWith();
    for (const content of [UNREADABLE, {}, [], 'null', '"text"', '1']) {
      const { status, answer } = await json('replay', await fileOf(content), '--yes');
      expect(status).toBe(1);
      expect(answer.events).toMatchObject([{ verdict: 'rejected', fate: 'not sent' }]);
    }
    expect(region.calls.filter(({ operation }) => operation === 'Invoke')).toEqual([]);
  });
});

describe('ecs-drain replay --dead-letter', () => {
  it('says that the queue is empty', async () => {
    const { run } = await regionWith();
    expect(await run('replay', '--dead-letter')).toEqual({
      status: 0,
      stdout: 'The dead-letter queue dead-letters is empty.\n',
      stderr: '',
    });
  });

  it('does not call a queue empty while someone else has its messages', async () => {
    const { run, json, deadLetters } = await regionWith(...BOTH);
    deadLetters.receive(10, 120);
    const { status, stdout } = await run('replay', '--dead-letter');
    expect(status).toBe(1);
    expect(stdout).toBe(
      'No message of the dead-letter queue dead-letters can be seen, and 2 messages are hidden for up to 2 min: another reader has them, or was interrupted. Try again then.\n',
    );
    expect((await json('replay', '--dead-letter')).answer).toEqual({ function: FUNCTION, events: [], hidden: 2 });
  });

  it('shows what it has received again when it cannot receive the rest', async () => {
    const { run, deadLetters, fail } = await regionWith(...BOTH);
    let received = 0;
    fail(({ operation }) =>
      operation === 'ReceiveMessage' && ++received > 1 ? new AwsError('AccessDenied', 'No more') : undefined,
    );
    expect((await run('replay', '--dead-letter')).status).toBe(2);
    expect(deadLetters.counts).toEqual({ visible: 2, inFlight: 0 });
  });

  it('shows what it has received again when it is interrupted', async () => {
    const { url, deadLetters, fail } = await regionWith(...BOTH);
    const command = spawn(process.execPath, [CLI, 'replay', '--dead-letter', '--endpoint-url', url]);
    const ended = once(command, 'exit');
    let received = 0;
    fail(({ operation }) => {
      if (operation !== 'ReceiveMessage' || ++received === 1) return undefined;
      command.kill('SIGINT');
      return new AwsError('ServiceUnavailable', 'Not now', 503);
    });
    expect(await ended).toEqual([null, 'SIGINT']);
    expect(deadLetters.counts).toEqual({ visible: 2, inFlight: 0 });
  });

  it('says of each message why it is there, and leaves all of them to be seen at once', async () => {
    const { json, region, deadLetters } = await regionWith(...BOTH);
    for (let time = 0; time < 2; time++) {
      const { status, answer } = await json('replay', '--dead-letter');
      expect(status).toBe(0);
      expect(answer.events).toMatchObject([
        { event: termination(INSTANCES[0]), reason: 'No permission to send', fate: 'would be sent' },
        { event: termination(INSTANCES[1]), reason: 'It broke', fate: 'would be sent' },
      ]);
      expect(deadLetters.counts).toEqual({ visible: 2, inFlight: 0 });
    }
    expect(region.calls.filter(({ operation }) => operation === 'Invoke')).toEqual([]);
  });

  it('sends and deletes them with --yes, except what can never be sent', async () => {
    const { json, deadLetters, lambda } = await regionWith(...BOTH, [UNREADABLE], ['no JSON']);
    const { status, answer } = await json('replay', '--dead-letter', '--yes');
    expect(status).toBe(1);
    expect(answer.events.map(({ fate }: { fate: string }) => fate)).toEqual(['sent', 'sent', 'not sent', 'not sent']);
    expect(deadLetters.counts).toEqual({ visible: 2, inFlight: 0 });
    expect(lambda.invocations).toHaveLength(1);
    expect(eventsGivenTo(lambda).map(({ detail }) => detail.EC2InstanceId)).toEqual(INSTANCES);
  });

  it('keeps what the function would ignore', async () => {
    const { json, run, deadLetters, lambda } = await regionWith(...BOTH, [
      termination(INSTANCES[0], { AutoScalingGroupName: 'batch' }),
    ]);
    const { status, answer } = await json('replay', '--dead-letter', '--yes');
    expect(status).toBe(1);
    expect(answer.events.map(({ fate }: { fate: string }) => fate)).toEqual(['sent', 'sent', 'not sent']);
    expect(deadLetters.counts).toEqual({ visible: 1, inFlight: 0 });
    expect((await run('replay', '--dead-letter', '--yes')).stdout).toMatch(
      /ignore it: the group batch .*\n\n1 event would drain nothing: kept, neither sent nor deleted\.\n$/,
    );
    expect(eventsGivenTo(lambda)).toHaveLength(2);
  });

  it('keeps all letters of a function in a dry run', async () => {
    const { run, deadLetters, region, pass } = await deployedRegion({ ...DRY_RUN, rules: [] });
    deadLetters.send(JSON.stringify(termination(INSTANCES[0])));
    await pass(1);
    const { status, stdout } = await run('replay', '--dead-letter', '--yes');
    expect(status).toBe(1);
    expect(stdout).toContain('is in a dry run: it would change nothing.');
    expect(stdout).toContain('1 event would drain nothing: kept');
    expect(deadLetters.counts).toEqual({ visible: 1, inFlight: 0 });
    expect(region.calls.filter(({ operation }) => operation === 'Invoke')).toEqual([]);
  });

  it('takes more messages than SQS gives at once', async () => {
    const { json, deadLetters } = await regionWith(...Array.from({ length: 23 }, () => BOTH[0] as [unknown]));
    const { answer } = await json('replay', '--dead-letter', '--yes');
    expect(answer.events).toHaveLength(23);
    expect(deadLetters.counts).toEqual({ visible: 0, inFlight: 0 });
  });

  it('gives the function a hundred events at a time; says after a failure what was sent, and keeps the rest', async () => {
    const many = Array.from({ length: 102 }, () => BOTH[0] as [unknown]);
    const { run, deadLetters, fail, lambda } = await regionWith(...many);
    let invoked = 0;
    fail(({ operation }) =>
      operation === 'Invoke' && ++invoked > 1
        ? new AwsError('AccessDeniedException', 'User: me is not authorized to perform: lambda:InvokeFunction', 403)
        : undefined,
    );
    const { status, stdout } = await run('replay', '--dead-letter', '--yes');
    expect(status).toBe(1);
    expect(stdout).toContain(`100 events sent to ${FUNCTION}`);
    expect(stdout).toContain(
      `2 events not sent. Could not invoke ${FUNCTION}: User: me is not authorized to perform: lambda:InvokeFunction.`,
    );
    expect(eventsGivenTo(lambda)).toHaveLength(100);
    expect(deadLetters.counts).toEqual({ visible: 2, inFlight: 0 });
  });

  it('keeps the events with which the function fails, and deletes the others', async () => {
    const gone = termination('i-0123456789abcdef0');
    const { run, json, deadLetters, fail } = await regionWith([termination(INSTANCES[0])], [gone]);
    fail(({ operation }) =>
      operation === 'CompleteLifecycleAction' ? new AwsError('AccessDenied', 'not authorized', 403) : undefined,
    );
    const { status, answer } = await json('replay', '--dead-letter', '--yes');
    expect(status).toBe(1);
    expect(answer.events).toMatchObject([{ fate: 'sent' }, { event: gone, fate: 'failed' }]);
    expect(deadLetters.counts).toEqual({ visible: 1, inFlight: 0 });
    expect((await run('replay', '--dead-letter', '--yes')).stdout).toContain(
      'The function failed with 1 event: its log says why. Not deleted.',
    );

    fail(() => undefined);
    expect((await run('replay', '--dead-letter', '--yes')).status).toBe(0);
    expect(deadLetters.counts).toEqual({ visible: 0, inFlight: 0 });
  });

  it('keeps all events of an invocation that crashes, and says why', async () => {
    const { json, deadLetters } = await filledRegion({ crash: 'It broke.' }, ...BOTH);
    const { status, answer } = await json('replay', '--dead-letter', '--yes');
    expect(status).toBe(1);
    expect(answer.failure).toBe(`The function ${FUNCTION} failed: It broke. Its log says more.`);
    expect(answer.events.map(({ fate }: { fate: string }) => fate)).toEqual(['not sent', 'not sent']);
    expect(deadLetters.counts).toEqual({ visible: 2, inFlight: 0 });
  });

  it('says of events that they were sent and could not be deleted', async () => {
    const { json, deadLetters, fail } = await regionWith(...BOTH);
    fail(({ operation }) =>
      operation === 'DeleteMessage'
        ? new AwsError('AccessDeniedException', 'not authorized to perform: sqs:DeleteMessage')
        : undefined,
    );
    const { status, answer } = await json('replay', '--dead-letter', '--yes');
    expect(status).toBe(1);
    expect(answer.events.map(({ fate }: { fate: string }) => fate)).toEqual([
      'sent, and not deleted',
      'sent, and not deleted',
    ]);
    expect(answer.failure).toContain('sqs:DeleteMessage');
    expect(deadLetters.counts).toEqual({ visible: 2, inFlight: 0 });
  });

  it('says each way that an event became a dead letter', async () => {
    const rejected = termination('i-none');
    const given = { ERROR_CODE: 'RejectedEvent', ERROR_MESSAGE: 'detail.EC2InstanceId is "i-none".' };
    const { json } = await regionWith([rejected, given], [termination(INSTANCES[0])], ...BOTH);
    expect((await json('replay', '--dead-letter')).answer.events).toMatchObject([
      { event: rejected, reason: given.ERROR_MESSAGE, verdict: 'rejected' },
      { event: termination(INSTANCES[0]), verdict: 'drain' },
      { event: termination(INSTANCES[0]), reason: 'No permission to send' },
      { event: termination(INSTANCES[1]), reason: 'It broke' },
    ]);
  });

  it('continues a drain whose bare continuation was given up', async () => {
    const { json, region, instanceIds, deadLetters, events, pass } = await deployedRegion();
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(60);
    const group = { GroupName: 'ecs-drain-main' };
    const [{ Name = '' } = {}] = region.scheduler.operations.ListSchedules(group).Schedules ?? [];
    deadLetters.send(region.scheduler.operations.GetSchedule({ ...group, Name }).Target?.Input ?? '');
    await pass(1);
    const { status, answer } = await json('replay', '--dead-letter', '--yes');
    expect({ status, events: answer.events }).toMatchObject({
      status: 0,
      events: [{ verdict: 'continuation', fate: 'sent' }],
    });
    expect([deadLetters.counts, events.counts]).toEqual([
      { visible: 0, inFlight: 0 },
      { visible: 0, inFlight: 0 },
    ]);
    await pass(1_200);
    expect(region.autoScaling.completions).toMatchObject([{ instanceId: first, by: 'completion' }]);
  });
});

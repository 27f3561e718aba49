import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { roleFor } from '../../sandbox/region/iam/api.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import { listen } from '../../sandbox/region/wire/http.ts';
import { START_MS } from '../fakes.ts';
import { answeringInTime, pass, WEB } from '../sandbox/region/clients.ts';
import { install, PYTHON } from './python.ts';

const missing = await install();
if (missing !== undefined) console.warn(`Skipped: boto3 cannot be installed: ${missing}`);

/** Something of each kind to look at. */
async function regionToLookAt(): Promise<Region> {
  const region = createRegion({ startMs: START_MS, seed: 1 });
  region.ecs.createCluster('prod');
  const group = { minSize: 0, maxSize: 9, cluster: 'prod', memoryMiB: 4_096, cpuUnits: 2_048, launchSeconds: 60 };
  region.autoScaling.createGroup({ ...group, name: 'web', desiredCapacity: 7 }, { running: true });
  region.ecs.createService(WEB);
  region.createQueue({ name: 'work', visibilityTimeoutSeconds: 30, maxReceiveCount: 3 });
  region.createTopic('topic');
  region.deploy({
    name: 'echo',
    timeoutSeconds: 30,
    load: () => async (event) => {
      region.log(event as Readonly<Record<string, unknown>>);
      const { fail } = event as { readonly fail?: string };
      if (fail !== undefined) throw new Error(fail);
      return event;
    },
  });
  const address = { id: 'target', arn: 'arn:aws:lambda:eu-west-1:123456789012:function:echo' };
  region.eventBridge.putRule({ name: 'rule', pattern: { source: ['none'] }, target: () => {}, address });
  region.roles.set('drain', roleFor('lambda.amazonaws.com', [{ Effect: 'Allow', Action: 'ecs:List*', Resource: '*' }]));
  await pass(region, 60);
  return region;
}

describe.skipIf(missing !== undefined)('boto3', () => {
  // biome-ignore lint/suspicious/noExplicitAny: what boto3 makes of each answer.
  let read: any;

  beforeAll(async () => {
    const region = await regionToLookAt();
    const { url, close } = await listen(answeringInTime(region));
    try {
      const env = {
        ...process.env,
        AWS_ENDPOINT_URL: url,
        AWS_DEFAULT_REGION: 'eu-west-1',
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
        AWS_MAX_ATTEMPTS: '1',
      };
      const { stdout } = await promisify(execFile)(PYTHON, [resolve(import.meta.dirname, 'answers.py')], { env });
      read = JSON.parse(stdout);
    } finally {
      close();
    }
  });

  it('reads JSON: rules, messages, logs', () => {
    expect(read).toMatchObject({
      rules: ['rule'],
      targets: [{ Id: 'target', Arn: 'arn:aws:lambda:eu-west-1:123456789012:function:echo' }],
      message: ['hello', '00ff'],
      empty: [],
      logs: [{ n: 1 }],
    });
    expect(read['no queue']).toEqual([
      'AWS.SimpleQueueService.NonExistentQueue',
      'The specified queue does not exist.',
    ]);
    expect(read['no pattern']).toEqual(['InvalidParameterException', "Invalid character(s) in term ':'"]);
  });

  it('reads Query: identities, groups, targets, topics, decisions', () => {
    expect(read).toMatchObject({
      sts: '123456789012',
      group: ['web', '2026-01-01T00:00:00+00:00', 7],
      "targets' health": ['healthy', 'healthy'],
      published: 'published',
      simulated: ['allowed', 'implicitDeny'],
    });
    expect(read['no topic']).toEqual(['NotFound', 'Topic does not exist']);
  });

  it('reads EC2’s kind of it: instances, in pages', () => {
    expect(read.instances).toEqual([
      [
        { Code: 16, Name: 'running' },
        '2026-01-01T00:00:00+00:00',
        [{ Key: 'aws:autoscaling:groupName', Value: 'web' }],
      ],
    ]);
    expect(read['instances count']).toBe(7);
    expect(read['no instance']).toEqual([
      'InvalidInstanceID.NotFound',
      "The instance ID 'i-0ffffffffffffffff' does not exist",
    ]);
  });

  it('reads REST: invocations, functions, schedule groups', () => {
    expect(read).toMatchObject({
      invoked: [200, { n: 1 }],
      failed: ['Unhandled', { errorType: 'Error', errorMessage: 'no' }],
      functions: ['echo'],
      'schedule groups': [['default', '2026-01-01T00:00:00+00:00']],
    });
    expect(read['no function']).toEqual([
      'ResourceNotFoundException',
      'Function not found: arn:aws:lambda:eu-west-1:123456789012:function:none',
    ]);
  });

  it.each(['json', 'smithy-rpc-v2-cbor', 'query'])('reads metrics in %s', (protocol) => {
    expect(read.metrics[protocol]).toEqual({
      protocol,
      data: [['2026-01-01T00:00:00+00:00'], [1], 'Complete'],
      names: ['ConcurrentExecutions', 'Duration', 'Errors', 'Invocations', 'Throttles'],
      refusal: [
        'ValidationError',
        expect.stringContaining('The local Region knows no metric math, such as the Expression of m'),
      ],
      'not there': [expect.any(String), expect.stringContaining('ListDashboards of CloudWatch is not part of')],
    });
  });

  it.each(['dynamodb', 'rds', 's3', 'apigateway', 'sqs', 'sts', 'lambda'])(
    'reads the sentence that says what of %s is not part of the Region',
    (service) =>
      expect(read['not there'][service][1]).toMatch(/ is not part of the local Region\. docs\/rehearsal\.md /),
  );
});

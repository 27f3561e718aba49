import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOnAccount } from '../../sandbox/facts/account.ts';
import { clientsWith } from '../../sandbox/facts/clients.ts';
import type { Experiment, Resources } from '../../sandbox/facts/experiment.ts';
import { TEMPLATE } from '../../sandbox/facts/stack.ts';
import { type Emulator, install, start } from './ministack.ts';

/**
 * The stack of the experiments, created and deleted by the emulator's CloudFormation. It knows neither AWS Fault Injection Service nor
 * the parameter with the image of ECS: both are replaced.
 */
const KNOWN_TEMPLATE = TEMPLATE.replace(/'{{resolve:ssm:[^']*}}'/, 'ami-12c6146b').replace(
  /(\n {2}SpotInterruption:\n {4}Type: )AWS::FIS::ExperimentTemplate[\s\S]*?\n\nOutputs:/,
  '$1AWS::CloudFormation::WaitConditionHandle\n\nOutputs:',
);

const missing = await install();
if (missing) console.warn(`Skipped: ${missing}.`);

describe.skipIf(missing)('the stack of the experiments', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await start({}, { asItIs: true });
  });
  afterAll(() => emulator.stop());

  it('gives an experiment every resource that it may need, and is deleted when the experiment breaks off', async () => {
    const config = {
      region: 'eu-west-1',
      endpoint: emulator.env.AWS_ENDPOINT_URL,
      credentials: { accessKeyId: '123456789012', secretAccessKey: 'local' },
    };
    const cloudFormation = new CloudFormationClient(config);
    const said: string[] = [];
    let seen: Partial<Resources> = {};
    const looking: Experiment = {
      facts: [1],
      title: 'A fact.',
      needs: ['cluster', 'group', 'events', 'schedules', 'function'],
      minutes: 1,
      cents: 0,
      cleansUp: 'changes nothing',
      run: async ({ resources }) => {
        seen = resources;
        throw new Error('it breaks off');
      },
    };
    const results = await runOnAccount([looking], {
      region: 'eu-west-1',
      clients: clientsWith(config),
      cloudFormation,
      template: KNOWN_TEMPLATE,
      signal: new AbortController().signal,
      now: () => Date.now(),
      sleepUntil: async () => {},
      say: (sentence) => said.push(sentence),
    });

    expect(results).toMatchObject([{ verdict: 'failed', saw: 'Error: it breaks off' }]);
    expect(seen).toMatchObject({
      cluster: {
        services: { daemon: expect.stringMatching(/Daemon/) },
        job: expect.stringMatching(/:task-definition\//),
      },
      group: { hook: expect.stringMatching(/Hook/) },
      events: { queueUrl: expect.stringMatching(/^http.*EventsQueue/) },
      schedules: { roleArn: expect.stringMatching(/^arn:aws:iam::.*SchedulerRole/) },
      function: { queueUrl: expect.stringMatching(/^http.*FailuresQueue/) },
    });
    const [, name = ''] = /^The stack (\S+) is being created: arn:/.exec(said[0] ?? '') ?? [];
    await expect(cloudFormation.send(new DescribeStacksCommand({ StackName: name }))).rejects.toThrow(/does not exist/);
  });
});

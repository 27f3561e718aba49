import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type { DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { main } from '../../cli/program.ts';
import { DEFAULT_STAGE } from '../../deploy/params.ts';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const Plugin = createRequire(import.meta.url)('../../deploy/plugin.cjs');

const textOf = (path: string) => readFile(resolve(REPOSITORY, path), 'utf8');

it('every way to deploy, the commands and the examples have one default stage', async () => {
  expect(parse(await textOf('serverless.yml')).provider.stage).toBe(DEFAULT_STAGE);
  let help = '';
  const write = (text: string) => {
    help += text;
    return true;
  };
  await main(['--help'], { stdout: { write }, stderr: { write } } as unknown as Parameters<typeof main>[1]);
  expect(help.replaceAll(/\s+/g, ' ')).toContain(`the stage that was deployed (default: "${DEFAULT_STAGE}")`);
  for (const example of ['notify', 'notify-chat', 'notify-webhook']) {
    const template = await textOf(`examples/${example}/template.yaml`);
    expect(/^ {4}Default: (ecs-drain\..*)$/m.exec(template)?.[1]).toBe(`ecs-drain.${DEFAULT_STAGE}`);
  }
});

describe('the plugin of serverless.yml', () => {
  const DEPLOYMENT = { params: {}, stage: DEFAULT_STAGE, tags: {}, warnings: [], refusal: null };

  /** The plugin in a framework with these options, in an account that has these stacks. */
  function pluginWith(given: { stage?: string; region?: string | null; stacks?: readonly string[] }) {
    const { stage = null, region = 'eu-west-1', stacks = [] } = given;
    const send = async ({ input: { StackName = '' } }: DescribeStacksCommand) => {
      const message = `Stack with id ${StackName} does not exist`;
      if (!stacks.includes(StackName)) throw Object.assign(new Error(message), { name: 'ValidationError' });
    };
    const serverless = {
      classes: { Error },
      service: { custom: { stage, region, deployment: DEPLOYMENT } },
      getProvider: () => ({ getCloudFormationClient: async () => ({ send }), getRegion: () => region || 'us-east-1' }),
    };
    return new Plugin(serverless, {}, { log: {} }).hooks;
  }

  it('refuses to go on in a Region that no one chose', () => {
    const sentence = 'No AWS Region is set: set AWS_REGION, or use --region.';
    expect(pluginWith({ region: null }).initialize).toThrow(sentence);
    expect(pluginWith({ region: '' }).initialize).toThrow(sentence);
    expect(pluginWith({ region: 'us-east-1' }).initialize).not.toThrow();
  });

  it('refuses a second deployment in place of the upgrade of the former default stage', async () => {
    const deploy = (given: Parameters<typeof pluginWith>[0]) => pluginWith(given)['before:deploy:deploy']();
    await expect(deploy({ stacks: ['ecs-drain-dev'] })).rejects.toThrow(
      'There is a stack ecs-drain-dev, and the default stage has become main: upgrade it with --stage dev, or use --stage main for a second deployment.',
    );
    await deploy({ stacks: [] });
    await deploy({ stacks: ['ecs-drain-dev', 'ecs-drain-main'] });
    await deploy({ stacks: ['ecs-drain-dev'], stage: 'main' });
  });
});

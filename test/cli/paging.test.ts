import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as autoScaling from '@aws-sdk/client-auto-scaling';
import * as ecs from '@aws-sdk/client-ecs';
import * as eventBridge from '@aws-sdk/client-eventbridge';
import * as iam from '@aws-sdk/client-iam';
import * as lambda from '@aws-sdk/client-lambda';
import * as scheduler from '@aws-sdk/client-scheduler';
import * as sqs from '@aws-sdk/client-sqs';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const EXPORTS = new Set(
  [autoScaling, ecs, eventBridge, iam, lambda, scheduler, sqs].flatMap((sdk) => Object.keys(sdk)),
);

/** Reads that AWS answers in pages, and of which one page is all that can come. */
const ONE_PAGE: Readonly<Record<string, string>> = {
  DescribeAutoScalingInstances: 'one instance is asked for',
};

it('every read of the commands and of the function that AWS answers in pages is read to its last page', () => {
  const files = ['cli/*.ts', 'src/**/*.ts'].flatMap((pattern) => globSync(pattern, { cwd: ROOT }));
  const sent = files.flatMap((file) => {
    const text = readFileSync(resolve(ROOT, file), 'utf8');
    return [...text.matchAll(/\bnew (\w+)Command\(/g)].map(([, name = '']) => name);
  });
  expect(sent.length).toBeGreaterThan(20);
  const paged = sent.filter((name) => EXPORTS.has(`paginate${name}`) && !Object.hasOwn(ONE_PAGE, name));
  expect(paged).toEqual([]);
});

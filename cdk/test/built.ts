import { cp } from 'node:fs/promises';
import { resolve } from 'node:path';

/** The construct as it is published, where it finds the CDK. */
export const BUILT = resolve(import.meta.dirname, '../node_modules/.cache/ecs-drain/cdk');

/** Builds the package once for all test files. */
export default async function setup(): Promise<void> {
  await import('../../build/build.ts');
  const dist = resolve(import.meta.dirname, '../../dist');
  await cp(resolve(dist, 'cdk'), BUILT, { recursive: true });
  await cp(resolve(dist, 'ecs-drain.zip'), resolve(BUILT, '../ecs-drain.zip'));
}

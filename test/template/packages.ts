import type { TestProject } from 'vitest/node';
import { type Package, packaged } from '../../sandbox/packaging.ts';

/** The command lines whose templates are checked. */
const PARAMETER_SETS = {
  'the defaults': ['--param=autoScalingGroups=web'],
  'drains that are parked, in two clusters': [
    '--param=cluster=prod,staging',
    '--param=autoScalingGroups=web',
    '--param=waiting=park',
    '--param=maximumConcurrency=1000',
  ],
  'drains that poll': ['--param=autoScalingGroups=web', '--param=waiting=watch'],
  'many groups': [`--param=autoScalingGroups=${Array.from({ length: 40 }, (_, index) => `workers-${index}`)}`],
  'hooks created elsewhere': [
    '--param=autoScalingGroups=web,workers',
    '--param=createLifecycleHooks=false',
    '--param=lifecycleHook=first,team/second',
  ],
  'every straggler stopped': ['--param=autoScalingGroups=web', '--param=stopStragglers=all'],
  'a stage': ['--param=autoScalingGroups=web', '--stage=blue-green'],
  'odd group names': ['--param=autoScalingGroups=Web tier (blue),team/web,größe,"quoted" \\\\ $5,a\\*\\,b\\@c?'],
  'patterns and options': [
    '--param=autoScalingGroups=web,app-*,*-spot@staging,a*z',
    '--param=createLifecycleHooks=false',
    '--param=permissionsBoundaryArn=arn:aws:iam::123456789012:policy/boundary',
    '--param=rolePath=/teams/web/',
    '--param=tags=team=web',
    '--param=logRetentionDays=30',
    '--param=logKmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/11112222-3333-4444-5555-666677778888',
    '--param=queueKmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/11112222-3333-4444-5555-666677778888',
  ],
};

declare module 'vitest' {
  interface ProvidedContext {
    /** The package of each parameter set, by the set's name. */
    packages: Record<string, Omit<Package, 'zip'>>;
  }
}

/** Packages once for all test files. */
export default async function setup({ provide }: TestProject): Promise<void> {
  const packages = Object.entries(PARAMETER_SETS).map(async ([name, args]) => {
    const { template, resources, outputs } = await packaged({ args: ['--param=cluster=prod', ...args] });
    return [name, { template, resources, outputs }] as const;
  });
  provide('packages', Object.fromEntries(await Promise.all(packages)));
}

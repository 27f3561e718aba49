import { describe, expect, it } from 'vitest';
import {
  deploymentCase,
  interfacesCase,
  managedDrainingCase,
  managedScalingCase,
  placementCase,
  scenarioCases,
  troubledCases,
  worldCases,
} from '../../bench/plan/cases.ts';
import { errorsOf, prove } from '../../bench/plan/prove.ts';
import { fromSource } from '../../sandbox/chaos/play.ts';
import { sweepingRarely } from '../../sandbox/plan/deployment.ts';

/** docs/plan.md has the same for all scenarios and 300 worlds: `npm run bench:plan`. */

const CHEAP = ['book', 'scale-in', 'stuck', 'warm-pool'];
const CASES = [
  ...scenarioCases(2).filter(({ name }) => CHEAP.includes(name)),
  placementCase(2),
  interfacesCase(2),
  managedScalingCase(2),
  managedDrainingCase(2),
  deploymentCase(2),
  ...troubledCases(2),
  ...worldCases(4, 11),
];
const TRIALS = 2;

describe('a plan, made from a snapshot over the wire', () => {
  it.each(CASES.map((each) => [each.name, each] as const))('says of %s what then comes', async (_, each) => {
    const proof = await prove(each, TRIALS);
    const { outcomes, killed, drains, whole } = errorsOf(proof);
    expect(proof.actual.drains.length).toBeGreaterThan(0);
    expect(outcomes).toEqual([]);
    expect(killed, 'with every drainer').toEqual([]);
    for (const error of drains) expect(error).toBeLessThanOrEqual(0.1);
    expect(whole).toBeLessThanOrEqual(0.1);
  });
});

describe('the plan of a scale-in that gets stuck', () => {
  const [stuck] = scenarioCases(1).filter(({ name }) => name === 'stuck');
  if (!stuck) throw new Error('The scenario is missing.');
  const kindsOf = (group: string, kinds: readonly string[]) => `${group}: ${kinds.toSorted().join(', ')}`;

  it('says before the drain begins what the function says in the middle of it', async () => {
    const { plan, actual } = await prove(stuck, 1);
    const said = actual.blocking.map(({ group, causes }) =>
      kindsOf(
        group,
        causes.map(({ cause }) => cause),
      ),
    );
    expect(plan.stuck.map(({ group, kinds }) => kindsOf(group, kinds)).toSorted()).toEqual(
      [...new Set(said)].toSorted(),
    );
    expect(plan.drainsAll).toBe(false);
  });

  it('says that all drain when its advice has been followed, and they do', async () => {
    const services = stuck.scenario.services.map((service) => {
      if (service.name === 'web') return { ...service, maximumPercent: 200, desiredCount: 3 };
      return service.name === 'search' ? { ...service, desiredCount: 1 } : service;
    });
    const { plan, actual } = await prove({ ...stuck, scenario: { ...stuck.scenario, services, jobs: [] } }, 1);
    expect(plan).toMatchObject({ drainsAll: true, stuck: [] });
    expect(actual.drains.map(({ outcome }) => outcome)).toEqual(['drained']);
    expect(actual.blocking).toEqual([]);
  });
});

describe('the plan of a drain that ECS managed draining holds for two days', () => {
  const [stuck] = scenarioCases(1).filter(({ name }) => name === 'stuck');
  if (!stuck) throw new Error('The scenario is missing.');
  const scenario = { ...stuck.scenario, managedDraining: true, params: { superviseManagedDraining: 'true' } };

  it('says so, although a rehearsal sweeps rarely', async () => {
    const proof = await prove({ ...stuck, scenario }, 1);
    expect(errorsOf(proof)).toMatchObject({ outcomes: [], killed: [], whole: 0 });
    expect(proof.plan).toMatchObject({ drainsAll: false, seconds: { p50: 172_800 } });
  });

  it('is rehearsed with everything that is deployed, except that a sweep comes every 15 minutes', async () => {
    const params = { cluster: 'prod', autoScalingGroups: 'web' };
    const [{ deployment }, { deployment: rehearsed }] = await Promise.all([
      fromSource(params),
      sweepingRarely(fromSource)(params),
    ]);
    expect(deployment.scheduledRules).toMatchObject([{ everySeconds: 60 }]);
    expect(rehearsed).toEqual({
      ...deployment,
      scheduledRules: [{ ...deployment.scheduledRules[0], everySeconds: 900 }],
    });
  });
});

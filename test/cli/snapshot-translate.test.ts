import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as translate from '../../cli/snapshot/translate.ts';

/** Emulators leave out what AWS always answers, and AWS itself adds what no one here knows. */
const anything = (...names: string[]) =>
  fc.record(
    Object.fromEntries(
      names.map((name) => [
        name,
        fc.oneof(fc.constant(undefined), fc.string(), fc.nat(), fc.constant([]), fc.constant([{}]), fc.constant({})),
      ]),
    ),
    { requiredKeys: [] },
  );

const text = fc.option(fc.string(), { nil: undefined });
const lists = (...names: string[]) =>
  fc.record(Object.fromEntries(names.map((name) => [name, fc.constantFrom(undefined, [], [{}])])), {
    requiredKeys: [],
  });

describe('the translation of what AWS answers', () => {
  it.each([
    [
      'a group',
      translate.toGroup,
      lists('Instances', 'SuspendedProcesses', 'LoadBalancerNames', 'TrafficSources').map((it) =>
        it['LoadBalancerNames']?.length ? {} : it,
      ),
    ],
    ['a hook', translate.toHook, anything('LifecycleHookName', 'HeartbeatTimeout', 'DefaultResult')],
    [
      'a container instance',
      (it: object) => translate.toContainerInstance(it, new Set()),
      lists('registeredResources', 'attributes'),
    ],
    [
      'a service',
      (it: object) => translate.toService(it, new Map(), 0),
      lists('loadBalancers', 'placementConstraints', 'placementStrategy', 'deployments', 'capacityProviderStrategy'),
    ],
    ['a task', (it: object) => translate.toTask(it, 'i-1'), lists('containers')],
    [
      'a stopped task',
      translate.toStoppedTask,
      fc.record({ taskDefinitionArn: text, group: text }, { requiredKeys: [] }),
    ],
    [
      'a task definition',
      (it: object) => translate.toTaskDefinition(it, true, 30),
      lists('containerDefinitions', 'placementConstraints'),
    ],
    [
      'a capacity provider',
      translate.toCapacityProvider,
      fc.record({ name: text, autoScalingGroupProvider: fc.constantFrom(undefined, {}) }, { requiredKeys: [] }),
    ],
    [
      'a target group',
      (it: object) => translate.toTargetGroup('web', it, [it as { Key?: string }]),
      fc.record({ Key: text, Value: text }, { requiredKeys: [] }),
    ],
  ] as [string, (it: object) => object, fc.Arbitrary<object>][])(
    'of %s is never thrown off by what is missing',
    (_, to, given) => {
      fc.assert(
        fc.property(given, (it) => {
          expect(Object.values(to(it))).not.toContain(undefined);
        }),
        { numRuns: 50 },
      );
    },
  );

  it('takes static ports only from the network modes that use those of the instance', () => {
    const portsIn = (networkMode: 'awsvpc' | 'host' | 'bridge', hostPort?: number) =>
      translate.toTaskDefinition(
        {
          networkMode,
          containerDefinitions: [
            { portMappings: [{ containerPort: 80, ...(hostPort !== undefined && { hostPort }) }] },
          ],
        },
        false,
        30,
      ).hostPorts;
    expect(portsIn('awsvpc', 80)).toEqual([]);
    expect(portsIn('host')).toEqual([80]);
    expect(portsIn('bridge', 8_080)).toEqual([8_080]);
    expect(portsIn('bridge', 0)).toEqual([]);
    expect(portsIn('bridge')).toEqual([]);
  });

  it('keeps the ports of UDP apart from those of TCP', () => {
    const portMappings = [
      { containerPort: 53, hostPort: 53 },
      { containerPort: 53, hostPort: 53, protocol: 'udp' as const },
    ];
    const definition = translate.toTaskDefinition({ containerDefinitions: [{ portMappings }] }, false, 30);
    expect(definition).toMatchObject({ hostPorts: [53], udpHostPorts: [53] });
    const registeredResources = [{ name: 'PORTS_UDP', stringSetValue: ['53'] }];
    expect(translate.toContainerInstance({ registeredResources }, new Set())).toMatchObject({
      ports: [],
      udpPorts: [53],
    });
  });

  it('takes the longest stop timeout of the containers, 30 s where one says nothing', () => {
    const of = (...timeouts: (number | undefined)[]) =>
      translate.toTaskDefinition(
        {
          containerDefinitions: timeouts.map((stopTimeout) => ({ ...(stopTimeout !== undefined && { stopTimeout }) })),
        },
        false,
        30,
      ).stopTimeoutSeconds;
    expect(of(2, 120)).toBe(120);
    expect(of(2, undefined)).toBe(30);
  });

  it('adds up the stop timeouts of containers that depend on each other, as the doctor does', () => {
    const containers = [
      { name: 'app', stopTimeout: 60, dependsOn: [{ containerName: 'proxy', condition: 'START' as const }] },
      { name: 'proxy', stopTimeout: 45 },
    ];
    const { stopTimeoutSeconds, dependsOn } = translate.toTaskDefinition(
      { containerDefinitions: containers },
      false,
      30,
    );
    expect({ stopTimeoutSeconds, dependsOn }).toEqual({ stopTimeoutSeconds: 105, dependsOn: true });
  });

  it('notes the instance maintenance policy of a group that has one', () => {
    const of = (MinHealthyPercentage: number, MaxHealthyPercentage: number) =>
      translate.toGroup({ InstanceMaintenancePolicy: { MinHealthyPercentage, MaxHealthyPercentage } } as never)
        .maintenance;
    expect(of(100, 120)).toEqual({ minHealthyPercent: 100, maxHealthyPercent: 120 });
    expect(of(-1, -1)).toBeUndefined();
  });

  it('counts a group with weights in instances, as many as its capacity needs', () => {
    const Instances = [{ WeightedCapacity: '4' }, { WeightedCapacity: '4' }, { WeightedCapacity: '2' }];
    const sizes = { MinSize: 4, DesiredCapacity: 10, MaxSize: 16 };
    const counted = { minSize: 2, desiredCapacity: 3, maxSize: 4, unitsPerInstance: 10 / 3 };
    expect(translate.toGroup({ ...sizes, Instances } as never)).toMatchObject(counted);
    expect(translate.toGroup({ ...sizes, Instances, MaxSize: 10 } as never)).toMatchObject({ maxSize: 3 });
    const plain = translate.toGroup({ ...sizes, Instances: [{}, { WeightedCapacity: '1' }] } as never);
    expect(plain).toMatchObject({ minSize: 4, desiredCapacity: 10, maxSize: 16 });
    expect(plain).not.toHaveProperty('unitsPerInstance');
  });

  it('notes the zones of a group, also those without an instance', () => {
    const AvailabilityZones = ['eu-west-1a', 'eu-west-1b'];
    expect(translate.toGroup({ AvailabilityZones } as never)).toMatchObject({ zones: AvailabilityZones });
    expect(translate.toGroup({} as never)).not.toHaveProperty('zones');
  });

  it('notes that a group chooses its instance types by requirements', () => {
    const withOverride = (override: object) =>
      translate.toGroup({ MixedInstancesPolicy: { LaunchTemplate: { Overrides: [override] } } } as never);
    expect(withOverride({ InstanceRequirements: {} })).toMatchObject({ instanceTypes: [], typesByRequirements: true });
    expect(withOverride({ InstanceType: 'm5.large' })).not.toHaveProperty('typesByRequirements');
  });

  it('notes how many instances the warm pool of a group has', () => {
    const WarmPoolConfiguration = { MinSize: 3, InstanceReusePolicy: { ReuseOnScaleIn: true } };
    expect(translate.toGroup({ WarmPoolConfiguration, WarmPoolSize: 2 } as never).warmPool).toEqual({
      minSize: 3,
      poolState: 'Stopped',
      reuseOnScaleIn: true,
      size: 2,
    });
    expect(translate.toGroup({ WarmPoolConfiguration } as never).warmPool).not.toHaveProperty('size');
  });

  it('names what Auto Scaling registers instances with, of every kind', () => {
    const arn = (service: string, rest: string) => `arn:aws:${service}:eu-west-1:123456789012:targetgroup/${rest}`;
    const TargetGroupARNs = [arn('elasticloadbalancing', 'web/0123456789abcdef')];
    const TrafficSources = [...TargetGroupARNs, arn('vpc-lattice', 'tg-0123'), 'classic'].map((Identifier) => ({
      Identifier,
    }));
    expect(translate.toGroup({ TargetGroupARNs, TrafficSources } as never).loadBalancers).toEqual([
      'web',
      'tg-0123',
      'classic',
    ]);
  });

  it('notes the trunk network interface of an instance, and not its id', () => {
    const attributes = [{ name: 'ecs.awsvpc-trunk-id', value: 'eni-1' }];
    expect(translate.toContainerInstance({ attributes }, new Set())).toMatchObject({ trunk: true, attributes: {} });
    expect(translate.toContainerInstance({}, new Set())).not.toHaveProperty('trunk');
  });

  it('notes the deployments of a service, the newest first, and its circuit breaker with the defaults', () => {
    const service = (more: object) => translate.toService(more, new Map(), 0);
    const arn = 'arn:aws:ecs:eu-west-1:123456789012:task-definition/web:';
    const old = { id: 'a', status: 'ACTIVE', taskDefinition: `${arn}1`, rolloutState: 'COMPLETED' as const };
    const fresh = { id: 'b', status: 'PRIMARY', taskDefinition: `${arn}2`, rolloutState: 'FAILED' as const };
    expect(service({ deployments: [old, { ...fresh, failedTasks: 3 }] }).deployments).toEqual([
      { id: 'b', taskDefinition: 'web:2', state: 'FAILED', failedTasks: 3 },
      { id: 'a', taskDefinition: 'web:1', state: 'COMPLETED', failedTasks: 0 },
    ]);
    // Behind a Classic Load Balancer there are no states.
    const stateless = [{ status: 'PRIMARY' }, { status: 'ACTIVE' }];
    expect(service({ deployments: stateless }).deployments.map(({ state }) => state)).toEqual([
      'IN_PROGRESS',
      'COMPLETED',
    ]);
    expect(service({ deployments: stateless.slice(0, 1) }).deployments.map(({ state }) => state)).toEqual([
      'COMPLETED',
    ]);

    const breaker = (deploymentCircuitBreaker: object) =>
      service({ deploymentConfiguration: { deploymentCircuitBreaker } }).circuitBreaker;
    const threshold = { type: 'BOUNDED_PERCENT', value: 50 };
    expect(breaker({ enable: true, rollback: true })).toEqual({ rollback: true, resetOnHealthyTask: true, threshold });
    const thresholdConfiguration = { type: 'COUNT', value: 5 };
    expect(breaker({ enable: true, resetOnHealthyTask: false, thresholdConfiguration })).toEqual({
      rollback: false,
      resetOnHealthyTask: false,
      threshold: thresholdConfiguration,
    });
    expect(breaker({ enable: false, rollback: true })).toBeUndefined();
  });

  it('notes the deployment strategy of a service that is not deployed step by step', () => {
    const of = (strategy: 'ROLLING' | 'CANARY') =>
      translate.toService({ deploymentConfiguration: { strategy } }, new Map(), 0);
    expect(of('CANARY')).toMatchObject({ deploymentStrategy: 'CANARY' });
    expect(of('ROLLING')).not.toHaveProperty('deploymentStrategy');
  });

  it('notes what ECS reports that keeps tasks of a service from being replaced', () => {
    const at = (seconds: number) => new Date(1_000 * seconds);
    const service = (message: string, more: object = {}) =>
      translate.toService({ events: [{ createdAt: at(100), message }], ...more }, new Map(), 200_000).obstacles;
    expect(service('(service web) has reached a steady state.')).toBeUndefined();
    expect(
      service(
        '(service web) was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 1) has insufficient memory available.',
      ),
    ).toEqual(['no-room']);
    const deployments = [{ status: 'PRIMARY', rolloutState: 'FAILED' as const, createdAt: at(50) }];
    expect(service('(service web) has reached a steady state.', { deployments })).toEqual(['deployment']);
  });
});

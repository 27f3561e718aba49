import { GetMetricDataCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { type Experiment, use, type World } from '../experiment.ts';
import { invoke } from './lambda.ts';
import { described, refusalOf, until } from './look.ts';

/** What CloudWatch lists and gives of metrics. */
export const metrics: readonly Experiment[] = [
  {
    facts: [87],
    title: 'ListMetrics with RecentlyActive PT3H lists a metric that has a value now.',
    needs: ['function'],
    minutes: 17,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      await invoke(world, use(world, 'function').name, {});
      const listed = await until(world, 900, async () => {
        const { Metrics = [] } = await world.cloudWatch.send(
          new ListMetricsCommand({ ...errorsOf(world), RecentlyActive: 'PT3H' }),
        );
        return Metrics.length > 0 ? true : undefined;
      });
      const values = await errorsSince(world, 1_800_000, 'Sum');
      const sum = values.reduce((total, value) => total + value, 0);
      return {
        saw: `${listed ? 'listed' : 'not listed within 900 s'}; ${sum > 0 ? 'errors' : 'no error'} by GetMetricData`,
        agrees: listed === true && sum > 0,
      };
    },
  },
  {
    facts: [87],
    title: 'GetMetricData takes the percentiles p0.0 and p100, and refuses p101.',
    needs: ['function'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const ask = (stat: string) => refusalOf(errorsSince(world, 600_000, stat));
      const [lowest, highest, higher] = [await ask('p0.0'), await ask('p100'), await ask('p101')];
      return {
        saw: `p0.0: ${described(lowest)}; p100: ${described(highest)}; p101: ${described(higher)}`,
        agrees: lowest === undefined && highest === undefined && higher?.status === 400,
      };
    },
  },
];

/** The errors of the function that always fails. */
function errorsOf(world: World) {
  const Dimensions = [{ Name: 'FunctionName', Value: use(world, 'function').name }];
  return { Namespace: 'AWS/Lambda', MetricName: 'Errors', Dimensions };
}

/** A statistic of them, minute by minute. */
async function errorsSince(world: World, sinceMs: number, Stat: string): Promise<readonly number[]> {
  const { MetricDataResults: [result] = [] } = await world.cloudWatch.send(
    new GetMetricDataCommand({
      StartTime: new Date(world.now() - sinceMs),
      EndTime: new Date(world.now() + 60_000),
      MetricDataQueries: [{ Id: 'errors', MetricStat: { Metric: errorsOf(world), Period: 60, Stat } }],
    }),
  );
  return result?.Values ?? [];
}

import type { VirtualTime } from './virtual-time.ts';

/** One value of a metric, as CloudWatch would take it from an EMF line. */
export interface Datapoint {
  readonly namespace: string;
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** The part of an EMF line that says what of it is a metric. */
interface Emf {
  readonly _aws: {
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
    }[];
  };
  readonly [key: string]: unknown;
}

/** The metrics in a log line; none if it is not in the embedded metric format. */
export function datapointsIn(line: Readonly<Record<string, unknown>>): Datapoint[] {
  if (!('_aws' in line)) return [];
  const emf = line as unknown as Emf;
  return emf._aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) =>
    Dimensions.flatMap((names) => {
      const dimensions = Object.fromEntries(names.map((name) => [name, String(emf[name])]));
      return Metrics.map(({ Name, Unit }) => ({
        namespace: Namespace,
        name: Name,
        unit: Unit,
        value: Number(emf[Name]),
        dimensions,
      }));
    }),
  );
}

/** Samples a value now and at every full minute from now on, as ECS reports its reservations. */
export function sampleByTheMinute(
  time: VirtualTime,
  value: () => number,
): { readonly minute: number; readonly value: number }[] {
  const samples: { minute: number; value: number }[] = [];
  const sample = () => {
    samples.push({ minute: samples.length, value: value() });
    time.after(60, sample);
  };
  sample();
  return samples;
}

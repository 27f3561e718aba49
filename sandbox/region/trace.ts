/** What happens in a Region, to be drawn, printed and counted. Instants are epoch milliseconds. */

/** The states of an EC2 instance as Auto Scaling has them; standby and hibernation are not part of the model. */
export type InstanceState =
  | 'Pending'
  | 'Pending:Wait'
  | 'Pending:Proceed'
  | 'InService'
  | 'Terminating'
  | 'Terminating:Wait'
  | 'Terminating:Proceed'
  | 'Terminating:Retained'
  | 'Terminated'
  | 'Detaching'
  | 'Detached'
  | 'ReplacingRootVolume'
  | 'ReplacingRootVolume:Wait'
  | 'ReplacingRootVolume:Proceed'
  | 'RootVolumeReplaced'
  | 'Warmed:Pending'
  | 'Warmed:Pending:Wait'
  | 'Warmed:Pending:Proceed'
  | 'Warmed:Pending:Retained'
  | 'Warmed:Stopped'
  | 'Warmed:Running'
  | 'Warmed:Terminating'
  | 'Warmed:Terminating:Wait'
  | 'Warmed:Terminating:Proceed'
  | 'Warmed:Terminating:Retained'
  | 'Warmed:Terminated';

/**
 * What the shutdown of its instance did to a task (facts 64 termination-time):
 * - `cut off`: it was killed in the middle of its work or of its stop;
 * - `delayed SIGTERM`: its containers got SIGTERM only from the shutdown, and ended in time;
 * - `unharmed`: no container ran any more, or yet, or ECS had stopped the task before and it ended in time.
 */
export type Fate = 'cut off' | 'delayed SIGTERM' | 'unharmed';

export type TraceEvent = { readonly atMs: number } & (
  | { readonly kind: 'instance'; readonly instanceId: string; readonly group: string; readonly state: InstanceState }
  | {
      readonly kind: 'container-instance';
      readonly instanceId: string;
      readonly status: string;
      readonly agentConnected: boolean;
    }
  | {
      readonly kind: 'task';
      /** The last part of its ARN. */
      readonly taskId: string;
      readonly instanceId: string;
      /** `service:web`, or what RunTask was given. */
      readonly group: string;
      readonly status: string;
      readonly reason?: string;
      /** Its instance was terminated before it had STOPPED. */
      readonly killed?: boolean;
      /** What became of the containers of a killed task. */
      readonly fate?: Fate;
    }
  /** ECS reports something about a service, such as that it cannot place a task. */
  | { readonly kind: 'service'; readonly service: string; readonly message: string }
  | {
      readonly kind: 'lifecycle';
      readonly instanceId: string;
      readonly hook: string;
      readonly what: 'held' | 'heartbeat' | 'completed' | 'timed out';
      /** CONTINUE or ABANDON, when it is over. */
      readonly result?: string;
    }
  | { readonly kind: 'deployment'; readonly group: string; readonly message: string }
  | {
      readonly kind: 'event';
      readonly source: string;
      readonly detailType: string;
      readonly rules: readonly string[];
      readonly fate?: 'lost' | 'duplicated' | 'delayed';
    }
  | {
      readonly kind: 'invocation';
      readonly functionName: string;
      readonly what: 'started' | 'ended' | 'failed' | 'throttled';
      readonly message?: string;
    }
  /** A line of the function's log. */
  | { readonly kind: 'log'; readonly line: Readonly<Record<string, unknown>> }
);

/** An event without its instant, which the Region adds. */
export type UntimedTraceEvent = TraceEvent extends infer H
  ? H extends { atMs: number }
    ? Omit<H, 'atMs'>
    : never
  : never;

/** How a model reports what happens. */
export type Trace = (event: UntimedTraceEvent) => void;

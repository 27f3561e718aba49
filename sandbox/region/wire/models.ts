import autoscaling from './models/autoscaling.json' with { type: 'json' };
import cloudwatch from './models/cloudwatch.json' with { type: 'json' };
import ec2 from './models/ec2.json' with { type: 'json' };
import ecs from './models/ecs.json' with { type: 'json' };
import elbv2 from './models/elbv2.json' with { type: 'json' };
import events from './models/events.json' with { type: 'json' };
import iam from './models/iam.json' with { type: 'json' };
import lambda from './models/lambda.json' with { type: 'json' };
import logs from './models/logs.json' with { type: 'json' };
import scheduler from './models/scheduler.json' with { type: 'json' };
import sns from './models/sns.json' with { type: 'json' };
import sqs from './models/sqs.json' with { type: 'json' };
import sts from './models/sts.json' with { type: 'json' };

/** The services that the Region has, under the names that AWS's models have for them. */
export type ServiceName =
  | 'autoscaling'
  | 'cloudwatch'
  | 'ec2'
  | 'ecs'
  | 'elbv2'
  | 'events'
  | 'iam'
  | 'lambda'
  | 'logs'
  | 'scheduler'
  | 'sns'
  | 'sqs'
  | 'sts';

export type Protocol = 'json' | 'query' | 'rest-json' | 'ec2' | 'smithy-rpc-v2-cbor';

/** AWS's own model of a service, as `trim-models.ts` writes it. */
export interface ServiceModel {
  readonly protocol: Protocol;
  readonly protocols: readonly Protocol[];
  /** Of the protocol `json`, the version in its content type. */
  readonly jsonVersion?: string;
  /** Of the protocol `json`, what stands before the operation in `X-Amz-Target`. */
  readonly targetPrefix?: string;
  /** Query names no service: each has the version of its API. */
  readonly apiVersion: string;
  readonly xmlNamespace?: string;
  /** As AWS calls the service, such as `Auto Scaling`. */
  readonly serviceId: string;
  /** Its errors have a code of the protocol that it had before, too. */
  readonly queryCompatible: boolean;
  /** By the names of their shapes. */
  readonly errors: Readonly<Record<string, { readonly status: number; readonly code?: string }>>;
  readonly operations: Readonly<Record<string, Operation>>;
  /** By name. */
  readonly shapes: Readonly<Record<string, Shape>>;
  /** What AWS has and the Region lacks. */
  readonly otherOperations: readonly string[];
  /** Of the protocol `rest-json`, where those are. */
  readonly otherPaths?: Readonly<Record<string, Operation['http']>>;
}

export interface Operation {
  readonly http: { readonly method: string; readonly requestUri: string; readonly responseCode?: number };
  /** Names of shapes. */
  readonly input?: string;
  readonly output?: string;
  /** The element around the answer, in XML. */
  readonly wrapper?: string;
}

export interface Shape {
  readonly type:
    | 'structure'
    | 'list'
    | 'map'
    | 'string'
    | 'integer'
    | 'long'
    | 'float'
    | 'double'
    | 'boolean'
    | 'timestamp'
    | 'blob';
  readonly members?: Readonly<Record<string, Member>>;
  /** Names of members. */
  readonly required?: readonly string[];
  /** The member that is the body itself. */
  readonly payload?: string;
  readonly member?: Member;
  readonly flattened?: boolean;
  readonly key?: Member;
  readonly value?: Member;
  readonly enum?: readonly string[];
  /** Of a number; or of a length. */
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly timestampFormat?: string;
}

/** A shape in its place. */
export interface Member {
  readonly shape: string;
  readonly location?: 'uri' | 'querystring' | 'header' | 'headers' | 'statusCode';
  readonly locationName?: string;
  readonly queryName?: string;
  readonly timestampFormat?: string;
  readonly streaming?: boolean;
}

export const MODELS = {
  autoscaling,
  cloudwatch,
  ec2,
  ecs,
  elbv2,
  events,
  iam,
  lambda,
  logs,
  scheduler,
  sns,
  sqs,
  sts,
} as unknown as Readonly<Record<ServiceName, ServiceModel>>;

/** @throws Error if the model has no such shape, which its own generator rules out. */
export function shapeIn(model: ServiceModel, name: string): Shape {
  const shape = model.shapes[name];
  if (!shape) throw new Error(`The model of ${model.serviceId} has no shape ${name}.`);
  return shape;
}

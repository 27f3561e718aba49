import { createHash } from 'node:crypto';
import { invalidToken } from './errors.ts';
import { MODELS, type ServiceName } from './models.ts';

type Values = Readonly<Record<string, unknown>>;
type Answer = object | Promise<object>;

/** The members that AWS has for tokens and sizes of pages, under the names that its services give them. */
const ASKED_TOKENS = ['NextToken', 'nextToken', 'Marker'];
const ANSWERED_TOKENS = ['NextToken', 'nextToken', 'NextMarker', 'Marker'];
const SIZES = ['MaxResults', 'maxResults', 'MaxRecords', 'MaxItems', 'PageSize', 'Limit', 'limit'];

/**
 * AWS takes the token of a page only with the request that it was given for: the same operation and the same members, except for the
 * size of a page. A service of the Region answers the position where the next page begins. This seals the position with a digest of
 * the request, and opens it again when the token comes back.
 * @throws AwsError as the service answers a token that it has not given for this request.
 */
export function withPageTokens(
  service: ServiceName,
  operation: string,
  input: Values,
  perform: (input: Values) => Answer,
): Answer {
  const members = tokenMembersOf(service, operation);
  if (!members) return perform(input);
  const { [members.asked]: token, ...request } = input;
  const seal = (position: string) => sealed(position, [service, operation, filtersIn(request)]);
  const position = token === undefined ? undefined : positionIn(String(token));
  if (token !== undefined && (position === undefined || seal(position) !== token))
    throw invalidToken(service, String(token));

  const output = perform(position === undefined ? request : { ...request, [members.asked]: position });
  const withToken = (answer: object): object => {
    const next = (answer as Values)[members.answered];
    return typeof next === 'string' ? { ...answer, [members.answered]: seal(next) } : answer;
  };
  return output instanceof Promise ? output.then(withToken) : withToken(output);
}

/** Undefined for an operation that has no pages. */
function tokenMembersOf(service: ServiceName, operation: string) {
  const { operations, shapes } = MODELS[service];
  const memberOf = (shape = '', names: readonly string[]) =>
    names.find((name) => Object.hasOwn(shapes[shape]?.members ?? {}, name));
  const asked = memberOf(operations[operation]?.input, ASKED_TOKENS);
  const answered = memberOf(operations[operation]?.output, ANSWERED_TOKENS);
  return asked === undefined || answered === undefined ? undefined : { asked, answered };
}

function filtersIn(request: Values): unknown[] {
  const filters = Object.entries(request).filter(([name, value]) => !SIZES.includes(name) && value !== undefined);
  return filters.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function sealed(position: string, request: readonly unknown[]): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([...request, position]))
    .digest('base64url');
  return Buffer.from(`${digest} ${position}`).toString('base64url');
}

function positionIn(token: string): string | undefined {
  return /^[\w-]{43} (.+)$/s.exec(Buffer.from(token, 'base64url').toString())?.[1];
}

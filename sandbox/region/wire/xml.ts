import { XMLBuilder } from 'fast-xml-parser';
import { type ServiceModel, shapeIn } from './models.ts';

const builder = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: '@' });

/** An answer in XML, as the Query protocol writes it, or EC2's kind of it. */
export function xmlOf(model: ServiceModel, operation: string, output: object, requestId: string): string {
  const { output: name, wrapper } = model.operations[operation] ?? {};
  const result = (name === undefined ? {} : written(model, name, output)) as object;
  const inside =
    model.protocol === 'ec2'
      ? { requestId, ...result }
      : { ...(wrapper !== undefined && { [wrapper]: result }), ResponseMetadata: { RequestId: requestId } };
  return builder.build({
    [`${operation}Response`]: { ...(model.xmlNamespace && { '@xmlns': model.xmlNamespace }), ...inside },
  });
}

/** An error in XML. */
export function xmlError(
  model: ServiceModel | undefined,
  { code, message, status }: { readonly code: string; readonly message: string; readonly status: number },
  requestId: string,
): string {
  if (model?.protocol === 'ec2') {
    return builder.build({ Response: { Errors: { Error: { Code: code, Message: message } }, RequestID: requestId } });
  }
  const error = { Type: status < 500 ? 'Sender' : 'Receiver', Code: code, Message: message };
  const namespace = model?.xmlNamespace && { '@xmlns': model.xmlNamespace };
  return builder.build({ ErrorResponse: { ...namespace, Error: error, RequestId: requestId } });
}

/** An error in XML of the services that speak REST: S3's has nothing around it. */
export function restXmlError(
  { code, message }: { readonly code: string; readonly message: string },
  requestId: string,
  isBare: boolean,
): string {
  const error = { Code: code, Message: message };
  return builder.build(
    isBare ? { Error: { ...error, RequestId: requestId } } : { ErrorResponse: { Error: error, RequestId: requestId } },
  );
}

/** Lists wrap their items in `member`, or as the model says; an instant is written as ISO 8601. */
function written(model: ServiceModel, name: string, value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (value instanceof Date) return value.toISOString();
  const { type, members = {}, member, flattened, key, value: entry } = shapeIn(model, name);
  if (type === 'list' && member && Array.isArray(value)) {
    const items = value.map((item) => written(model, member.shape, item));
    return flattened ? items : { [member.locationName ?? (model.protocol === 'ec2' ? 'item' : 'member')]: items };
  }
  if (type === 'map' && key && entry) {
    const entries = Object.entries(value).map(([name, item]) => ({
      [key.locationName ?? 'key']: name,
      [entry.locationName ?? 'value']: written(model, entry.shape, item),
    }));
    return flattened ? entries : { entry: entries };
  }
  if (type !== 'structure') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      const { shape, locationName = name } = members[name] ?? {};
      return [locationName, shape === undefined ? item : written(model, shape, item)];
    }),
  );
}

/** An error as AWS answers it on the wire. */
export class AwsError extends Error {
  /** As AWS's model names its shape, or as the wire has it. */
  readonly code: string;
  /** The HTTP status, where AWS's model of the service does not have the error. */
  readonly status: number | undefined;

  constructor(code: string, message: string, status?: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

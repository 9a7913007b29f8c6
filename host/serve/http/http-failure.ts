/** A failure with the status of its answer. The message is one line. */
export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { json } from "node:stream/consumers";
import { OperationError } from "../../operation-error.ts";
import type { Answer, KeeperOperations, Request, Result } from "./keeper-operations.ts";

/**
 * Has the process that keeps a guest do something. Throws OperationError with the keeper's line, or one that says that it
 * doesn't answer.
 */
export async function askKeeper<Name extends keyof KeeperOperations & string>(
  { guest, socket }: { readonly guest: string; readonly socket: string },
  operation: Name,
  body: Request<KeeperOperations, Name>,
  signal?: AbortSignal,
): Promise<Result<KeeperOperations, Name>> {
  try {
    return await ask<KeeperOperations, Name>(socket, operation, body, signal);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof OperationError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "it was booted by a version of guestctl without this" : message;
    throw new OperationError(`${operation} guest ${guest}: its keeper doesn't answer: ${why}`, { cause: error });
  }
}

/** Has the process behind a socket do something. Throws OperationError with its line, or the error of the connection. */
export async function ask<All, Name extends keyof All & string>(
  socketPath: string,
  operation: Name,
  request_: Request<All, Name>,
  signal?: AbortSignal,
): Promise<Result<All, Name>> {
  const body = JSON.stringify(request_);
  const headers = { "content-length": Buffer.byteLength(body) };
  const asked = request({ socketPath, method: "POST", path: `/${operation}`, headers, ...(signal && { signal }) });
  asked.end(body);
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const answer = (await json(response)) as Answer<Result<All, Name>>;
  if ("error" in answer) throw new OperationError(answer.error);
  return answer.result;
}

import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { json } from "node:stream/consumers";
import { OperationError } from "../../operation-error.ts";
import type { KeeperAnswer, KeeperOperations, KeeperRequest, KeeperResult } from "./keeper-operations.ts";

/**
 * Has the process that keeps a guest do something. Throws OperationError with the keeper's line, or one that says that it
 * doesn't answer.
 */
export async function askKeeper<Name extends keyof KeeperOperations>(
  { guest, socket }: { readonly guest: string; readonly socket: string },
  operation: Name,
  body: KeeperRequest<Name>,
  signal?: AbortSignal,
): Promise<KeeperResult<Name>> {
  const answer = await ask(socket, operation, JSON.stringify(body), signal).catch((error: NodeJS.ErrnoException) => {
    if (signal?.aborted) throw signal.reason;
    const why = error.code === "ENOENT" ? "it was booted by a version of guestctl without this" : error.message;
    throw new OperationError(`${operation} guest ${guest}: its keeper doesn't answer: ${why}`, { cause: error });
  });
  if ("error" in answer) throw new OperationError(answer.error);
  return (answer as { readonly result: KeeperResult<Name> }).result;
}

async function ask<Name extends keyof KeeperOperations>(
  socketPath: string,
  operation: Name,
  body: string,
  signal: AbortSignal | undefined,
): Promise<KeeperAnswer<Name>> {
  const headers = { "content-length": Buffer.byteLength(body) };
  const asked = request({ socketPath, method: "POST", path: `/${operation}`, headers, ...(signal && { signal }) });
  asked.end(body);
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  return (await json(response)) as KeeperAnswer<Name>;
}

import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { OperationError, oneLine } from "../../operation-error.ts";
import type { Answer } from "./keeper-operations.ts";

/** Requests are a few names; only this user can send them. */
const MAX_BYTES = 64 * 1024;
/** Milliseconds for an answer to arrive once the guest has ended. */
const ANSWER_MS = 1000;

/** Operations by their names: with a request, and a signal that aborts when whoever asked is gone. */
type Operations<All> = { readonly [Name in keyof All]: (request: never, signal: AbortSignal) => Promise<unknown> };

/**
 * Serves what only one process can do, such as that which keeps a guest, for other guestctl commands of this user: one POST for
 * each operation, on a unix socket in a private directory. Disposal aborts operations in progress.
 */
export async function serveOperations<All extends Operations<All>>(
  path: string,
  operations: All,
): Promise<AsyncDisposable> {
  const closing = new AbortController();
  const server = createServer(async (request, response) => {
    const gone = new AbortController();
    response.once("close", () => gone.abort(new OperationError("the command that asked was ended")));
    const answer = await run(request, operations, AbortSignal.any([closing.signal, gone.signal]));
    if (!response.destroyed) response.end(JSON.stringify(answer));
  });
  server.requestTimeout = 0; // a snapshot takes as long as the disk needs
  rmSync(path, { force: true }); // of a keeper that was killed
  server.listen(path);
  await once(server, "listening");
  return {
    async [Symbol.asyncDispose]() {
      closing.abort(new OperationError("the guest is being powered off"));
      server.close();
      // Those that have been answered may still be sending.
      setTimeout(() => server.closeAllConnections(), ANSWER_MS).unref();
      rmSync(path, { force: true });
    },
  };
}

async function run(request: IncomingMessage, operations: object, signal: AbortSignal): Promise<Answer<unknown>> {
  try {
    const name = request.url?.slice(1) ?? "";
    if (request.method !== "POST" || !Object.hasOwn(operations, name)) {
      throw new OperationError(`keeper: unknown operation ${JSON.stringify(name)}; use one version of guestctl`);
    }
    const body = await readBody(request);
    // The command and its keeper are one program of one user, usually of one version.
    const operation = operations[name as never] as (body: unknown, signal: AbortSignal) => Promise<unknown>;
    return { result: await operation(body, signal) };
  } catch (error) {
    return { error: oneLine(error) };
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const length = Number(request.headers["content-length"]);
  if (!(length <= MAX_BYTES)) throw new OperationError(`keeper: a request of ${length} bytes; at most ${MAX_BYTES}`);
  return json(request);
}

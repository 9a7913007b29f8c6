import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { OperationError, oneLine } from "../../operation-error.ts";
import type { KeeperAnswer, KeeperOperations } from "./keeper-operations.ts";

/** Requests are a few names; only this user can send them. */
const MAX_BYTES = 64 * 1024;

/**
 * Serves what only the process that keeps a guest can do, for other guestctl commands of this user: one POST for each
 * operation, on a unix socket in the guest's private directory. Disposal aborts operations in progress.
 */
export async function serveKeeper(path: string, operations: KeeperOperations): Promise<AsyncDisposable> {
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
      server.closeAllConnections();
      rmSync(path, { force: true });
    },
  };
}

async function run(
  request: IncomingMessage,
  operations: KeeperOperations,
  signal: AbortSignal,
): Promise<KeeperAnswer<keyof KeeperOperations>> {
  try {
    const name = request.url?.slice(1) ?? "";
    if (request.method !== "POST" || !Object.hasOwn(operations, name)) {
      throw new OperationError(`keeper: unknown operation ${JSON.stringify(name)}; use one version of guestctl`);
    }
    const body = await readBody(request);
    // The command and its keeper are one program of one user, usually of one version.
    const operation = operations[name as keyof KeeperOperations] as (body: unknown, signal: AbortSignal) => unknown;
    return { result: (await operation(body, signal)) as never };
  } catch (error) {
    return { error: oneLine(error) };
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const length = Number(request.headers["content-length"]);
  if (!(length <= MAX_BYTES)) throw new OperationError(`keeper: a request of ${length} bytes; at most ${MAX_BYTES}`);
  return json(request);
}

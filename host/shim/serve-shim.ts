import { closeSync, mkdirSync, rmSync, writeSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { thisProcess } from "../../lib/process-owner.ts";
import { removeTree } from "../../lib/remove-tree.ts";
import { task } from "../../proto/gen/containerd-services.js";
import type { AnyMethod } from "../../proto/method.ts";
import { RpcError } from "../client/rpc-error.ts";
import { oneLine } from "../operation-error.ts";
import { EventPublisher } from "./event-publisher.ts";
import { ShimLog } from "./shim-log.ts";
import { type ShimCall, type ShimPlace, writeRecord } from "./shim-place.ts";
import { type TaskCalls, taskService } from "./task-service.ts";
import { type AnswerCall, serveTtrpc } from "./ttrpc-server.ts";

/** Descriptor on which `start` waits for READY, or for the line that says why the shim can't serve. */
const READY_FD = 3;
export const READY = "ready";
const FLUSH_MS = 5000;

/** Serves a pod until its engine needs it no more. */
export async function serveShim({ namespace, bundle }: ShimCall, { pod, ...place }: ShimPlace): Promise<void> {
  const { socket, folder } = place;
  const log = new ShimLog(join(bundle, "log"));
  process.on("uncaughtException", (error) => log.write(`uncaught: ${error.stack}`));
  process.on("unhandledRejection", (error) => log.write(`unhandled: ${error instanceof Error ? error.stack : error}`));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  process.env["TMPDIR"] = folder;
  writeRecord(bundle, { ...place, owner: thisProcess() });

  const events = new EventPublisher(process.env["TTRPC_ADDRESS"] ?? "", namespace);
  const { promise: shutdown, resolve: onShutdown } = Promise.withResolvers<void>();
  const calls = taskService(pod, events.publish, onShutdown);
  const server = createServer((client) => serveTtrpc(client, answerTask(calls, log)));
  await listen(server, socket);
  writeSync(READY_FD, READY);
  closeSync(READY_FD);

  await shutdown;
  server.close();
  try {
    await calls[Symbol.asyncDispose]();
  } catch (error) {
    log.write(oneLine(error));
  }
  await events.flush(FLUSH_MS);
  await removeTree(folder);
  rmSync(socket, { force: true });
  process.exit(0);
}

/** Tells `start` why the shim can't serve. */
export function reportFailure(error: unknown): never {
  writeSync(READY_FD, oneLine(error));
  process.exit(1);
}

async function listen(server: Server, socket: string): Promise<void> {
  mkdirSync(dirname(socket), { recursive: true, mode: 0o711 });
  rmSync(socket, { force: true });
  const umask = process.umask(0o077);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(socket, resolve);
  await promise.finally(() => process.umask(umask));
}

/** Both versions have the same calls. */
const SERVICES = ["containerd.task.v2.Task", "containerd.task.v3.Task"];

function answerTask(calls: TaskCalls, log: ShimLog): AnswerCall {
  return async (service, name, payload) => {
    const method: AnyMethod | undefined = Object.hasOwn(task, name) ? task[name as keyof typeof task] : undefined;
    if (method === undefined || !SERVICES.includes(service)) {
      throw new RpcError("unimplemented", `/${service}/${name}: guestd's shim has no such call`);
    }
    try {
      const call = calls[name as keyof typeof task] as (request: unknown) => Promise<unknown>;
      return method.response.encode((await call(method.request.decode(payload))) as never);
    } catch (error) {
      log.write(`${name}: ${oneLine(error)}`);
      throw error;
    }
  };
}

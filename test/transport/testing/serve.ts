import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createJournalMemory, journalIn } from "../../../agent/kernel/journal/journal.ts";
import { listenUnix } from "../../../agent/kernel/sys/listeners.ts";
import { openSys } from "../../../agent/kernel/sys/sys.ts";
import { createInitDouble } from "../../../agent/kernel/testing/init-double.ts";
import type { ServiceTable } from "../../../agent/service/dispatch.ts";
import { RpcServer, type ServerKernel, type ServerOptions } from "../../../agent/transport/rpc-server.ts";
import { FakeTable } from "./fake-table.ts";

/** An RpcServer that serves a FakeTable on a real unix socket. */
export interface Served extends AsyncDisposable {
  readonly rpc: RpcServer;
  readonly table: FakeTable;
  readonly path: string;
  /** Address of the socket for our client. */
  readonly address: string;
  /** Opens a raw connection. */
  dial(): Promise<Socket>;
}

export const sys = openSys();

/** Creates a server whose init keeps nothing. */
export function createServer(
  table: ServiceTable,
  options: ServerOptions & Pick<ServerKernel, "loadGrpc"> = {},
): RpcServer {
  const journal = journalIn(createJournalMemory()).calls;
  const { loadGrpc, ...others } = options;
  const kernel = { sys, init: createInitDouble(sys), journal };
  return new RpcServer(loadGrpc === undefined ? kernel : { ...kernel, loadGrpc }, table, others);
}

export async function serve(options: ServerOptions = {}): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), "guestd-rpc-"));
  const path = join(directory, "agent.sock");
  const table = new FakeTable();
  const rpc = createServer(table, options);
  const listener = listenUnix(path, (fd) => void rpc.accept(fd));
  return {
    rpc,
    table,
    path,
    address: `unix://${path}`,
    dial: () =>
      new Promise((resolve, reject) => {
        const socket = connect(path, () => resolve(socket)).once("error", reject);
      }),
    async [Symbol.asyncDispose]() {
      rpc.destroy();
      await listener.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Waits until `condition` holds. Throws after 50 seconds. */
export async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + 50_000; !condition(); ) {
    if (performance.now() > end) throw new Error(`still false after 50 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

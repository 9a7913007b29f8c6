import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RpcServer, type ServerOptions } from "../../agent/transport/rpc-server.ts";
import { FakeTable } from "./fake-table.ts";

/** An RpcServer with a FakeTable on a real unix socket. */
export interface Served extends AsyncDisposable {
  readonly rpc: RpcServer;
  readonly table: FakeTable;
  readonly path: string;
  /** The same as an address of the client. */
  readonly address: string;
  /** A raw connection. */
  dial(): Promise<Socket>;
}

export async function serve(options: ServerOptions = {}): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), "guestd-rpc-"));
  const path = join(directory, "agent.sock");
  const table = new FakeTable();
  const rpc = new RpcServer(table, options);
  const listener = createServer({ allowHalfOpen: true }, (socket) => void rpc.accept(socket));
  await new Promise<void>((resolve) => listener.listen({ path, backlog: 4096 }, resolve));
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
      await new Promise((resolve) => listener.close(resolve));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Waits until `condition` holds, for up to two seconds. */
export async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 400) throw new Error(`waited 2 s for ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

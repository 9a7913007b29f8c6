import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type ScriptedCall, startScriptedServer } from "../../../conversation/testing/scripted-server.ts";

/** An agent behind a VMM's vsock socket, which expects "CONNECT 1024" first. */
export interface HybridAgent extends AsyncDisposable {
  /** Connections that were opened, and those still open. */
  readonly connections: { opened: number; readonly open: ReadonlySet<Socket> };
}

/** Serves calls by method name, such as "Quiesce". The first `lost` connections are closed after their CONNECT line. */
export async function startHybridAgent(
  path: string,
  calls: Readonly<Record<string, ScriptedCall>>,
  lost = 0,
): Promise<HybridAgent> {
  const agent = await startScriptedServer(calls);
  const open = new Set<Socket>();
  const connections = { opened: 0, open };
  const server = createServer((socket) => {
    connections.opened += 1;
    const isLost = connections.opened <= lost;
    open.add(socket);
    const ended = () => open.delete(socket);
    socket.on("error", ended).once("end", ended).once("close", ended);
    socket.once("data", (line: Buffer) => {
      if (isLost || line.toString() !== "CONNECT 1024\n") return void socket.destroy();
      const guest = connect(agent.address.replace("unix://", ""));
      guest.on("error", () => socket.destroy());
      socket.once("close", () => guest.destroy());
      socket.write("OK 1073741824\n");
      socket.pipe(guest).pipe(socket);
    });
  });
  server.listen(path);
  await once(server, "listening");
  return {
    connections,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
      await agent[Symbol.asyncDispose]();
    },
  };
}

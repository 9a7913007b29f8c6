import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { MachineError } from "../machine-error.ts";
import type { Qmp } from "../qmp.ts";

/** Leaves the memory, which QEMU shares, out of the state, and reports the end as an event. */
const CAPABILITIES = ["x-ignore-shared", "events"].map((capability) => ({ capability, state: true }));

/**
 * Writes the state of a stopped guest's devices and processors to a new file, without its memory. `socket` is a free
 * path for a socket.
 */
export async function saveState(
  qmp: Qmp,
  file: string,
  { socket, isDurable }: { readonly socket: string; readonly isDurable: boolean },
): Promise<void> {
  await qmp.execute("migrate-set-capabilities", { capabilities: CAPABILITIES });
  const server = createServer();
  try {
    await once(server.listen(socket), "listening");
    const connected = once(server, "connection") as Promise<[Socket]>;
    await qmp.execute("migrate", { uri: `unix:${socket}` });
    const [stream] = await connected;
    await Promise.all([
      pipeline(stream, createWriteStream(file, { flags: "wx", mode: 0o600, flush: isDurable })),
      ended(qmp),
    ]);
  } finally {
    server.close();
  }
}

/** Loads the state of a file into a QEMU that waits for one and already has the memory. */
export async function loadState(qmp: Qmp, file: string, socket: string): Promise<void> {
  await qmp.execute("migrate-set-capabilities", { capabilities: CAPABILITIES });
  await qmp.execute("migrate-incoming", { uri: `unix:${socket}` });
  const stream = connect(socket);
  // QEMU may close the stream once it has read the last section.
  await Promise.all([pipeline(createReadStream(file), stream).catch(() => undefined), ended(qmp)]);
}

async function ended(qmp: Qmp): Promise<void> {
  const { status } = await qmp.event("MIGRATION", ({ status }) => status === "completed" || status === "failed");
  if (status !== "completed") throw new MachineError("QEMU: the state could not be transferred");
}

import { once } from "node:events";
import type { Duplex } from "node:stream";
import type { Process } from "../container/process/process.ts";
import { launchShell } from "../container/shell.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { killSession } from "./kill-session.ts";

const READ_BYTES = 4096;

/** Serves one debug console connection: a shell on a pty, raw bytes both ways. Disconnecting kills the shell's whole session. */
export async function serveDebugConsole(kernel: Kernel, socket: Duplex): Promise<void> {
  socket.on("error", () => socket.destroy());
  let shell: Process;
  try {
    shell = await launchShell(kernel);
  } catch (error) {
    socket.end(`guestd: no debug console: ${(error as Error).message}\r\n`);
    return;
  }
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  if (socket.destroyed) gone.abort();
  try {
    await Promise.race([toShell(socket, shell, gone.signal), fromShell(shell, socket, gone.signal)]);
  } catch {
    // The client disconnected or the shell ended; `finally` ends the other one.
  } finally {
    gone.abort();
    if (shell.status === undefined) killSession(kernel.files, shell.pid);
    shell.kill();
    await shell.exit;
    shell.destroy();
    socket.destroy();
  }
}

async function fromShell(shell: Process, socket: Duplex, signal: AbortSignal): Promise<void> {
  const output = shell.output("stdout");
  for (;;) {
    const data = await output.read(READ_BYTES, signal);
    if (data.length === 0) break;
    const isRoom = socket.write(data);
    output.delivered(data); // to a socket that dies with the shell
    if (!isRoom) await once(socket, "drain", { signal });
  }
  socket.end();
}

async function toShell(socket: Duplex, shell: Process, signal: AbortSignal): Promise<void> {
  for await (const data of socket) await shell.input.write(data as Buffer, signal);
}

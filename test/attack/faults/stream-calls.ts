import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { RpcError } from "../../../host/client/rpc-error.ts";
import { openForward } from "../../../host/client/streams/forward.ts";
import { attachText, shellProcess } from "../../scenarios/streams.ts";

/** How long the client tries to reach the agent again. */
const GIVE_UP_MS = 3000;

/** Output of an attached exec beside its input: enough to be sent within the kernel. */
export const ATTACHED_OUTPUT = "\0".repeat(5000);

/** Runs an exec with input, both outputs and exit code 5 through guestd.v1.Streams. */
export async function attachedExec(address: string, container: string, exec: string) {
  const process = shellProcess(`cat; head -c ${ATTACHED_OUTPUT.length} /dev/zero; echo err >&2; exit 5`);
  const leaving = new AbortController();
  const options = { giveUpMs: GIVE_UP_MS, signal: leaving.signal };
  const { attachment, text } = attachText(address, { container, exec, process }, options);
  try {
    const written = attachment.write(Buffer.from("in"));
    attachment.end();
    const [{ code }] = await Promise.all([attachment.exit, written]);
    return { ...text, code };
  } catch (error) {
    throw asHostSees(error);
  } finally {
    leaving.abort();
  }
}

/** Takes the end of an attached exec that was killed: until then it is kept. */
export async function endAttachedExec(address: string, container: string, exec: string): Promise<void> {
  const { attachment } = attachText(address, { container, exec, takeover: true }, { giveUpMs: GIVE_UP_MS });
  await attachment.exit.catch((error: RpcError) => {
    if (error.kind !== "not-found") throw error;
  });
}

/**
 * Connects to a server of this process in the container's root, and returns what it answers to "in". The server answers once
 * its client's end has reached it.
 */
export async function forwardedConnection(address: string, container: string, rootfs: string): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    text(socket).then(
      (got) => socket.end(`${got} and out`),
      () => undefined,
    );
  });
  server.listen(join(rootfs, "hit.sock"));
  await once(server, "listening");
  try {
    const stream = await openForward(address, { container, path: "/hit.sock" }, { openMs: GIVE_UP_MS });
    stream.end("in");
    return await text(stream);
  } catch (error) {
    throw asHostSees(error);
  } finally {
    server.close();
  }
}

function asHostSees(error: unknown): unknown {
  if (!(error instanceof RpcError)) return error;
  return new RpcError("unavailable", error.message);
}

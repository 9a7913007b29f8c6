import { writeSync } from "node:fs";
import { connect } from "../../host/client/agent-client.ts";

/** Responses that stay unread in the socket, so that the process's death resets the connection. */
const UNREAD = 3;

/**
 * Runs as a host's process for `killClient`: it reads, waits and polls, then neither reads its socket nor closes it.
 */
async function main(args: readonly string[]): Promise<void> {
  const [address = "", protocol, container_id = "", exec_id = "", reads] = args;
  const { agent, health } = await connect(address, { protocol: protocol === "grpc" ? "grpc" : "ttrpc" });
  const open = [
    ...Array.from({ length: Number(reads) }, () =>
      agent.readStdout({ container_id, exec_id: container_id, len: 65_536 }),
    ),
    agent.readStderr({ container_id, exec_id: container_id, len: 4096 }),
    agent.readStdout({ container_id, exec_id, len: 4096 }),
    agent.waitProcess({ container_id, exec_id: container_id }),
    agent.waitProcess({ container_id, exec_id }),
    agent.getOOMEvent({}),
  ];
  for (const call of open) {
    const tell = (what: unknown) => writeSync(1, `a call was answered: ${String(what)}\n`);
    call.then(tell, tell);
  }
  await health.check({}); // the agent has received them
  // vhost-device-vsock doesn't report to the guest that a stream was reset.
  const unread = address.startsWith("hvsock:") ? 0 : UNREAD;
  for (let count = 0; count < unread; count++) health.check({}).catch(() => undefined);
  // The requests are written in this iteration of the event loop or the next.
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  writeSync(1, "sent\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

await main(process.argv.slice(2));

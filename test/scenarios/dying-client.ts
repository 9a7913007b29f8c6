import { writeSync } from "node:fs";
import { connect } from "../../host/client/agent-client.ts";

/** Answers that it leaves in its socket, so that its death resets the connection. */
const UNREAD = 3;

/** A host's process for `killClient`: reads, waits and polls, then neither reads its socket nor closes it. */
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
  await health.check({}); // the agent has them
  // Of a stream that is reset vhost-device-vsock tells the guest nothing.
  const unread = address.startsWith("hvsock:") ? 0 : UNREAD;
  for (let count = 0; count < unread; count++) health.check({}).catch(() => undefined);
  // Its requests are written in this turn of the loop or the next.
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  writeSync(1, "asked\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

await main(process.argv.slice(2));

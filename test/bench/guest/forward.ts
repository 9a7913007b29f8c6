import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { parseArgs } from "node:util";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { dial } from "../../../host/client/dial.ts";
import { openForward } from "../../../host/client/streams/forward.ts";
import { chooseAccelerator } from "../../../host/vm/accelerator.ts";
import { VSOCK_KINDS } from "../../../host/vm/vsock-device.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { Samples } from "../samples.ts";

const SOCKET = "/source.sock";
const PORT = 5000;
const MIB = 1024 * 1024;

/** Compares a forward to a unix socket of a container with a bare vsock connection to the same program, in one guest of each device. */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    mib: { type: "string", default: "16" },
    vsock: { type: "string", multiple: true, default: ["default"] },
  },
});
const mib = Number(values.mib);
if (!(mib >= 1 && mib <= 255)) throw new Error("--mib must be 1 to 255");
const devices = values.vsock.map((name) => {
  const kind = VSOCK_KINDS.find((each) => each === name);
  if (kind === undefined && name !== "default") throw new Error(`--vsock must be one of ${VSOCK_KINDS.join(", ")}`);
  return kind;
});
const kinds: { readonly name: string; readonly open: () => Promise<Duplex>; readonly speeds: Samples }[] = [];
await using guests = new AsyncDisposableStack();
for (const device of devices) {
  const machine = guests.use(await startGuestMachine(512, device === undefined ? {} : { vsock: device }));
  const client = guests.use(await machine.connect());
  const pod = await Pod.open(machine, client);
  const rootfs = machine.rootfs("forward");
  const program = join(machine.hostPath(rootfs), "source");
  execFileSync("gcc", ["-static", "-O2", "-Wall", "-Werror", "-o", program, join(import.meta.dirname, "source.c")]);
  const container = await pod.create(["/source", SOCKET], {}, rootfs);
  await client.agent.startContainer({ container_id: container });
  await client.agent.readStdout({ container_id: container, exec_id: container, len: 6 }); // "ready"
  const add = (what: string, open: () => Promise<Duplex>) => {
    kinds.push({ name: device === undefined ? what : `${what}, ${device}`, open, speeds: new Samples() });
  };
  // The relay of virtio-serial connects to the agent's sockets only.
  if (device !== "serial") add("bare vsock", () => dial(machine.guest.address(PORT)));
  add("forward", () => openForward(machine.guest.address(1028), { container, path: SOCKET }));
}
for (let round = 0; round < Number(values.rounds); round++) {
  for (const { open, speeds } of kinds) speeds.add(await transfer(await open()));
}
const rows = kinds.map(({ name, speeds: { median, p95 } }) => [name, median.toFixed(1), p95.toFixed(1)]);
const { kind } = await chooseAccelerator();
process.stdout.write(textTable([["MB/s", "median", "p95"], ...rows]));
process.stdout.write(`${values.rounds} transfers of ${mib} MiB each to the host, alternating; ${kind}.\n`);

/** Resolves with the megabytes (10^6) per second that arrive. */
async function transfer(stream: Duplex): Promise<number> {
  const began = performance.now();
  stream.write(Buffer.from([mib]));
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += (chunk as Buffer).length;
    if (bytes === mib * MIB) break; // destroys the stream
  }
  if (bytes !== mib * MIB) throw new Error(`${bytes} bytes arrived`);
  return bytes / 1e6 / ((performance.now() - began) / 1000);
}

import { spawn } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { dial } from "../client/dial.ts";
import { OperationError } from "../operation-error.ts";
import { ownArguments, ownCommand } from "../own-command.ts";
import { READY } from "./serve-shim.ts";
import { type ShimCall, shimPlace } from "./shim-place.ts";

/**
 * Starts the shim of a container's pod, unless it runs, and returns where it listens. Writes that to the bundle, where an engine
 * looks that was restarted. Throws OperationError.
 */
export async function startShim(call: ShimCall): Promise<string> {
  const address = await shimFor(call);
  writeFileSync(join(call.bundle, "address"), address);
  return address;
}

async function shimFor(call: ShimCall): Promise<string> {
  const { pod, socket, network } = shimPlace(call);
  const address = `unix://${socket}`;
  if (await answers(address)) {
    if (pod !== call.id) return address;
    throw new OperationError(`container ${call.id}: its shim runs already; delete the container first`, {
      kind: "already-exists",
    });
  }
  if (pod !== call.id)
    throw new OperationError(`container ${call.id}: the shim of its pod ${pod} doesn't run; start the pod first`);
  // In a session of its own, without the engine's pipes: the engine waits until they are closed.
  const [program = "", ...args] = [
    ...enter(network),
    process.execPath,
    ...ownCommand([...ownArguments().slice(0, -1), "serve"]),
  ];
  const shim = spawn(program, args, {
    cwd: call.bundle,
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  shim.unref();
  const said = await text(shim.stdio[3] as Readable);
  if (said === READY) return address;
  throw new OperationError(`shim of container ${call.id}: ${said || "it ended while it started"}`);
}

/** Returns the command that enters the pod's network namespace. QEMU, whose pid the engine gets, then runs there too. */
function enter(network: string | undefined): readonly string[] {
  if (network === undefined) return ["unshare", "--net", "--"];
  const own = statSync("/proc/self/ns/net").ino === statSync(network).ino;
  if (own)
    throw new OperationError("a guest can't use the host's network; leave out --net-host or hostNetwork", {
      kind: "unsupported",
    });
  return ["nsenter", `--net=${network}`, "--"];
}

async function answers(address: string): Promise<boolean> {
  return dial(address).then(
    (stream) => {
      stream.destroy();
      return true;
    },
    () => false,
  );
}

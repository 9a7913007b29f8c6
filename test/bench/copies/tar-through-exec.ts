import { spawn } from "node:child_process";
import { once } from "node:events";
import { attach } from "../../../host/client/streams/attachment.ts";
import type { CopyPlace } from "../../../host/client/streams/copy-options.ts";

let count = 0;

/** Unpacks in the container what this machine's tar packs, as `tar -c | guestctl exec -i CONTAINER tar -x` does. */
export async function tarIn(address: string, source: string, place: CopyPlace): Promise<void> {
  const packing = spawn("tar", ["-c", "-f", "-", "-C", source, "."], { stdio: ["ignore", "pipe", "inherit"] });
  const unpacking = attach(address, requestOf(place, "-x"), { onData: () => undefined });
  let written = Promise.resolve();
  for await (const chunk of packing.stdout) {
    await written;
    written = unpacking.write(chunk as Buffer); // the next one is read meanwhile
  }
  unpacking.end();
  await written;
  check((await unpacking.exit).code);
}

/** Unpacks on this machine what the container's tar packs, as `guestctl exec CONTAINER tar -c | tar -x` does. */
export async function tarOut(address: string, place: CopyPlace, to: string): Promise<void> {
  const unpacking = spawn("tar", ["-x", "-f", "-", "-C", to], { stdio: ["pipe", "ignore", "inherit"] });
  const write = (bytes: Uint8Array) => new Promise<void>((done) => unpacking.stdin.write(bytes, () => done()));
  const packing = attach(address, requestOf(place, "-c"), {
    onData: (name, bytes) => (name === "stdout" ? write(bytes) : undefined),
  });
  check((await packing.exit).code);
  unpacking.stdin.end();
  const [code] = await once(unpacking, "close");
  check(code);
}

function requestOf({ container, path }: CopyPlace, direction: "-c" | "-x") {
  const args = direction === "-c" ? ["-f", "-", "-C", path, "."] : ["-f", "-", "-C", path];
  const process = { Args: ["tar", direction, ...args], Env: ["PATH=/bin"], Cwd: "/" };
  return { container, exec: `tar-${++count}`, process };
}

function check(code: number): void {
  if (code !== 0) throw new Error(`tar through an attachment: exit code ${code}`);
}

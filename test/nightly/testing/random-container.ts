import type { AgentClient } from "../../../host/client/agent-client.ts";
import { attach } from "../../../host/client/streams/attachment.ts";
import type { UsedBlockRoot } from "../../../host/engine/image/disk/block-root.ts";
import { processSpec } from "../../../host/engine/image/image-config.ts";
import type { Guest } from "../../../host/vm/guest.ts";
import { execIn, NOWHERE, seen, startOnDisk } from "./template-machine.ts";

/** Debian's packages of the container's image. Node is the guest's own, as a mount. */
export const PACKAGES = ["base-files", "coreutils", "dash", "libstdc++6", "openssl", "python3"];
/** Id of the container. */
export const CONTAINER = "random";
export const STREAMS_PORT = 1028;
const MOUNTS = seen("/usr/bin/node", "/run/guestd/epoch", "/run/machine-id");

/** Numbers that each source prints, 16 bytes unless it has fewer. */
const DRAWS = 13;
const UUID = "/proc/sys/kernel/random/uuid";
const PYTHON = `
import random, secrets, uuid
for _ in range(5): print(uuid.uuid4())
for _ in range(4): print("%032x" % random.getrandbits(128))
for _ in range(4): print(secrets.token_hex(16))`;
const NODE = `
const { randomBytes, randomUUID } = require("node:crypto");
for (let at = 0; at < 5; at++) console.log(randomUUID());
for (let at = 0; at < 4; at++) console.log(randomBytes(16).toString("hex"));
for (let at = 0; at < 4; at++) console.log(Math.random().toString(16).slice(2));`;

/** Programs that print random numbers, by where they get them. The kernel's is the first to answer. */
const SOURCES = {
  kernel: ["sh", "-c", `cat ${Array(6).fill(UUID).join(" ")}; od -An -v -tx1 -w16 -N112 /dev/urandom`],
  openssl: ["openssl", "rand", "-hex", `${16 * DRAWS}`],
  python: ["python3", "-c", PYTHON],
  node: ["node", "-e", NODE],
} as const;
type Source = keyof typeof SOURCES;

/** Numbers of one clone from all sources. */
export const NUMBERS_OF_EACH = DRAWS * Object.keys(SOURCES).length;

/** Draws numbers from a source in a new process. */
export async function draw(client: AgentClient, source: Source): Promise<readonly string[]> {
  const text = await execIn({ client }, CONTAINER, SOURCES[source]);
  const lines = text.split("\n").map((line) => line.replaceAll(/[\s-]/g, ""));
  const numbers = source === "openssl" ? (lines[0]?.match(/.{32}/g) ?? []) : lines.filter((line) => line !== "");
  if (numbers.length !== DRAWS) throw new Error(`${source} printed ${numbers.length} numbers: ${text}`);
  return numbers;
}

/**
 * Program that has run for long when a snapshot is taken, with two generators of one seed. It watches the guest's epoch and
 * then seeds one of them again from the kernel; the other one is what docs/warm-start.md warns of. It answers a line with
 * the time in milliseconds since 1970.
 */
const WATCHER = `
import ctypes, os, random, select, time
libc = ctypes.CDLL(None)
watch = libc.inotify_init()
libc.inotify_add_watch(watch, b"/run/guestd/epoch", 2)
renewed, kept = random.Random(7), random.Random(7)
number = lambda generator: "%032x" % generator.getrandbits(128)
print("ready", flush=True)
while True:
    for fd in select.select([watch, 0], [], [])[0]:
        if fd == 0:
            os.read(0, 100)
            print("time", time.time_ns() / 1e6, flush=True)
        else:
            os.read(watch, 4096)
            kernel = os.urandom(16).hex()
            renewed.seed(os.urandom(32))
            print("epoch", open("/run/guestd/epoch").read().strip(), kernel, number(renewed), number(kept), flush=True)`;

/** A client of the program that watches the epoch. */
export class WatcherClient implements Disposable {
  readonly #attachment;
  #text = "";
  #woken = Promise.withResolvers<void>();

  /** Starts the program, or continues with it at the first byte that no client has acknowledged. */
  constructor(guest: Guest, starts = false) {
    const process = processSpec({}, NOWHERE, { entrypoint: [], args: ["python3", "-c", WATCHER] });
    const request = { container: CONTAINER, exec: "watcher", ...(starts && { process }) };
    this.#attachment = attach(guest.address(STREAMS_PORT), request, {
      onData: (_, bytes) => {
        this.#text += Buffer.from(bytes).toString();
        this.#woken.resolve();
        this.#woken = Promise.withResolvers();
      },
    });
    this.#attachment.exit.catch(() => undefined); // each read reports it
  }

  /** Returns the words of the next line. */
  async words(): Promise<readonly string[]> {
    for (;;) {
      const [line, ...rest] = this.#text.split("\n");
      if (line !== undefined && rest.length > 0) {
        this.#text = rest.join("\n");
        return line.split(" ");
      }
      await Promise.race([this.#woken.promise, this.#attachment.exit]);
    }
  }

  /** Returns the random epoch of the guest's streams. */
  async streamsEpoch(): Promise<string> {
    await this.#attachment.attached;
    return Buffer.from(this.#attachment.position?.epoch ?? []).toString("hex");
  }

  /**
   * Returns by how many milliseconds the guest's clock differs from the host's, at least: the largest of several answers'
   * distances from the time between question and answer.
   */
  async clockDifference(questions = 5): Promise<number> {
    const differences: number[] = [];
    while (differences.length < questions) {
      const before = Date.now();
      await this.#attachment.write(Buffer.from("\n"));
      const [, text] = await this.words();
      const after = Date.now() + 1; // Date.now() is rounded down
      const then = Number(text);
      differences.push(then > after ? then - after : then < before ? before - then : 0);
    }
    return Math.max(...differences);
  }

  [Symbol.dispose](): void {
    this.#attachment.close();
  }
}

/** Starts the container in a guest that becomes a template, and lets all programs run in it once. Returns their numbers. */
export async function startRandomContainer(client: AgentClient, guest: Guest, root: UsedBlockRoot) {
  await startOnDisk(client, guest, CONTAINER, root, { args: ["sleep", "100000"], mounts: MOUNTS });
  const drawn: string[] = [];
  for (const source of ["kernel", "openssl", "python", "node"] as const) drawn.push(...(await draw(client, source)));
  using watcher = new WatcherClient(guest, true);
  const [word] = await watcher.words();
  if (word !== "ready") throw new Error(`the watcher printed ${word}`);
  return drawn;
}

import { openSync, readlinkSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ExitStatus, Fd, Init } from "../kernel.ts";
import { openSys } from "../sys/sys.ts";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { descriptorTargets } from "../testing/open-descriptors.ts";
import { FileServer } from "./file-server.ts";
import { ROOT, ServedFiles } from "./served-files.ts";

const [REQUEST_BYTES, ANSWER_BYTES] = [88, 24];

/** A server that somebody has taken over: the test answers in its place. */
describe("a file server that lies", () => {
  const sys = openSys();
  let socket: Fd;
  let end: () => void;
  let server: FileServer;
  let files: ServedFiles;

  leavesNoDescriptors();
  beforeEach(() => {
    const init: Pick<Init, "launch" | "forget"> = {
      async launch({ id, slots }) {
        socket = sys.dup(slots[2] ?? -1);
        const { promise: exit, resolve } = Promise.withResolvers<ExitStatus>();
        end = () => resolve({ code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 });
        return { id, pid: 1, pidfd: openSync("/dev/null", "r"), exit };
      },
      forget: () => undefined,
    };
    const root = openSync("/", "r");
    server = new FileServer({ sys, init, id: 7, container: "c1", duty: "everything", limitMs: 50_000 }, root);
    sys.close(root);
    files = new ServedFiles(server);
  });
  afterEach(async () => {
    end();
    await server.ended;
    sys.close(socket);
  });

  /** Answers every request of the next message; `claimed` is the length of data that each answer says it has. */
  async function answer(
    value: number,
    data = Buffer.alloc(0),
    fds: readonly Fd[] = [],
    claimed = data.length,
  ): Promise<void> {
    const bytes = Buffer.alloc(4096);
    await sys.poll(socket, "read");
    const { length } = sys.receiveMessage(socket, bytes)?.data ?? [];
    const answers: Buffer[] = [];
    for (let at = 0; at < length; ) {
      const head = Buffer.alloc(ANSWER_BYTES);
      head.writeUInt32LE(bytes.readUInt32LE(at + 4), 0);
      head.writeBigInt64LE(BigInt(value), 8);
      head.writeUInt32LE(claimed, 16);
      answers.push(head, data);
      const ends = at + REQUEST_BYTES;
      at = ends + bytes.readUInt32LE(ends - 8) + bytes.readUInt32LE(ends - 4);
    }
    sys.sendMessage(socket, Buffer.concat(answers), fds);
  }

  test("gives the agent no descriptors that it hasn't asked for", async () => {
    const mine = openSync("/dev/null", "r");
    const calls = Array.from({ length: 100 }, () => files.chmod(ROOT, 0o700));
    // A message has eight requests at most.
    for (let at = 0; at < calls.length; at += 8) await answer(0, Buffer.alloc(0), Array<Fd>(64).fill(mine));
    await Promise.all(calls);
    sys.close(mine);
  });

  test.each([
    ["says that it is longer than its message", ANSWER_BYTES + 1],
    ["says that it is longer than any message", 2 ** 32 - 1],
  ])("that sends an answer which %s is given up, and reads nothing behind it", async (_, claimed) => {
    const calls = Promise.allSettled([files.read(ROOT, 10, 0), files.stat(ROOT)]);
    await answer(0, Buffer.alloc(0), [], claimed);
    for (const call of await calls) expect(call).toMatchObject({ status: "rejected", reason: { kind: "unavailable" } });
  });

  test("that answers more than it was asked is given up", async () => {
    const call = files.chmod(ROOT, 0o700);
    await answer(0, Buffer.alloc(ANSWER_BYTES), [], 0);
    await call;
    await expect(files.stat(ROOT)).rejects.toThrow("files of container c1: its helper has ended");
  });

  test("gives the agent a pty where it asked for one, and ends with any other file", async () => {
    const opening = files.openTerminal(ROOT);
    const master = openSync("/dev/ptmx", "r+");
    await answer(0, Buffer.alloc(0), [master]);
    const given = await opening;
    expect(sys.terminalNumber(given)).toBe(sys.terminalNumber(master));
    for (const fd of [given, master]) sys.close(fd);

    const another = files.openTerminal(ROOT);
    const [mine, other] = sys.socketPair("stream");
    const file = readlinkSync(`/proc/self/fd/${other}`);
    await answer(0, Buffer.alloc(0), [other]);
    await expect(another).rejects.toThrow("files of container c1: its helper has ended");
    // The agent's copy stays open: the file system of another kind of file could hold whoever closes it.
    const left = descriptorTargets().filter((target) => target.endsWith(` ${file}`));
    expect(left).toHaveLength(2);
    for (const fd of [mine, ...left.map((target) => Number.parseInt(target, 10))]) sys.close(fd);
  });

  test.each<[string, () => Promise<unknown>, number, number]>([
    ["reads more than it was asked for", () => files.read(ROOT, 10, 0), 11, 11],
    ["loads more than it was asked for", () => files.load(ROOT, "x", [], { most: 10 }), 11, 11],
    ["takes more than the file has", () => files.take(ROOT, Buffer.from("x"), 0), 1, 97],
    ["writes nothing", () => files.write(ROOT, Buffer.alloc(10), 0), 0, 0],
    ["writes more than it got", () => files.write(ROOT, Buffer.alloc(10), 0), 11, 0],
    ["goes backwards to the next data", () => files.seek(ROOT, 10, "data"), 9, 0],
  ])("that %s fails the call", async (_, call, value, length) => {
    const refused = expect(call()).rejects.toThrow(/^file server: \w+ answered -?\d+, not \d+ to \d+$/);
    await answer(value, Buffer.alloc(length));
    await refused;
  });
});

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { OutputStream } from "./output-stream.ts";

const sys = openSys();
const never = new AbortController().signal;
leavesNoDescriptors();

async function drain(stream: OutputStream): Promise<number> {
  let total = 0;
  for (let data = await stream.read(8192, never); data.length > 0; data = await stream.read(8192, never)) {
    total += data.length;
    stream.delivered(data);
  }
  return total;
}

test("a grandchild that holds the pipe delays the end by the grace period only", async () => {
  const { read, write } = sys.pipe();
  sys.setNonBlocking(read);
  const stream = new OutputStream(sys, read);
  const ends: boolean[] = [];
  stream.onEnd = (writersGone) => ends.push(writersGone);
  sys.write(write, Buffer.from("last words"));
  stream.processExited();
  const start = performance.now();
  expect(await drain(stream)).toBe(10);
  expect(performance.now() - start).toBeGreaterThan(400);
  expect([stream.ended, ends]).toEqual([true, [false]]);
  sys.close(write);
});

test("everything in the pipe at the end of the grace period is read, and nothing that a grandchild adds later", async () => {
  const { read, write } = sys.pipe();
  sys.setNonBlocking(read);
  const stream = new OutputStream(sys, read);
  sys.write(write, Buffer.alloc(50_000));
  stream.processExited();
  await sleep(600);
  sys.write(write, Buffer.alloc(10_000));
  expect(await drain(stream)).toBe(50_000);
  sys.close(write);
});

test("an exit after the end of the pipe changes nothing", async () => {
  const { read, write } = sys.pipe();
  sys.setNonBlocking(read);
  const stream = new OutputStream(sys, read);
  sys.close(write);
  expect(await drain(stream)).toBe(0);
  stream.processExited();
  expect(stream.ended).toBe(true);
});

describe.skipIf(!isRoot())(`a terminal${isRoot() ? "" : " (skipped: a devpts instance needs root)"}`, () => {
  const SIZE = 12_000; // three times the line discipline's buffer, less than the pty's
  const OPTIONS = [["newinstance"], ["ptmxmode", "0666"]] as const;

  function terminal() {
    const devpts = sys.detachedMount("devpts", OPTIONS, 0);
    const master = sys.openTerminal(devpts);
    sys.setNonBlocking(master);
    const peer = sys.terminalPeer(master);
    sys.close(devpts);
    sys.setNonBlocking(peer);
    for (let i = 0; i < SIZE / 1000; i++) expect(sys.write(peer, Buffer.alloc(1000, "x"))).toBe(1000);
    return { stream: new OutputStream(sys, master, true), peer };
  }

  test("returns everything written before the end to a reader who comes after the grace period", async () => {
    const { stream, peer } = terminal();
    sys.close(peer);
    stream.processExited();
    await sleep(600);
    expect(await drain(stream)).toBe(SIZE);
  });

  test("does the same if a grandchild keeps it open", async () => {
    const { stream, peer } = terminal();
    stream.processExited();
    await sleep(600);
    expect(await drain(stream)).toBe(SIZE);
    sys.close(peer);
  });
});

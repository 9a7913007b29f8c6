import { afterEach, expect, test, vi } from "vitest";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { playAgent, playProcess } from "./testing/played-process.ts";

leavesNoDescriptors();
const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

/** The output of a process in HOLD. */
function open(options: { terminal?: boolean } = {}) {
  const agent = playAgent();
  const played = playProcess(options);
  const attached = agent.add(played);
  cleanUps.push(() => {
    attached.close();
    played.close();
    agent.close();
  });
  return { ...played, attached, output: attached.stdout };
}

const watcher = () => ({ pump: vi.fn(), onLost: vi.fn() });

test("nothing is known of output before it is looked at, but that it is printed", () => {
  const { output, print } = open();
  print("stdout", "abc");
  expect([output.base, output.end, output.acked, output.printed]).toEqual([0, 0, 0, 3]);
  expect([output.available(0), output.available(2), output.end]).toEqual([3, 1, 3]);
  expect([output.mode, output.keepBytes]).toEqual([{ kind: "hold", isHeld: true, keeper: "client" }, 0]);
  expect([output.since(5), output.timeAt(0)]).toEqual([0, undefined]);
});

test("a terminal's output counts as printed in both of its pipes", () => {
  const { output, print } = open({ terminal: true });
  print("stdout", "abc");
  expect([output.available(0), output.end]).toEqual([3, 3]);
  print("stdout", "de");
  expect([output.end, output.printed]).toEqual([3, 5]);
  output.acknowledge(2);
  expect([output.base, output.acked, output.end, output.available(3)]).toEqual([2, 2, 3, 2]);
  expect(String(output.copy(3, 9))).toBe("de");
});

test("the same acknowledgement again, or an earlier one, changes nothing", () => {
  const { output, print } = open();
  print("stdout", "abc");
  output.available(0);
  for (const offset of [2, 2, 1]) output.acknowledge(offset);
  expect([output.base, output.acked, output.end]).toEqual([2, 2, 3]);
  const message = "acknowledge byte 4: only 3 bytes were sent";
  expect(() => output.acknowledge(4)).toThrow(expect.objectContaining({ kind: "invalid-argument", message }));
});

test("each watcher learns of output until it leaves, and of other readers' acknowledgements", async () => {
  const { output, print } = open();
  const [one, two] = [watcher(), watcher()];
  for (const each of [one, two]) output.watch(each);
  print("stdout", "abc");
  await expect.poll(() => [one.pump.mock.calls.length > 0, two.pump.mock.calls.length > 0]).toEqual([true, true]);
  output.available(0);
  for (const each of [one, two]) each.pump.mockClear();
  output.acknowledge(1);
  await new Promise<void>((resolve) => process.nextTick(resolve));
  expect([one.pump.mock.calls.length, two.pump.mock.calls.length]).toEqual([1, 1]);
  output.unwatch(one);
  output.unwatch(one);
  output.acknowledge(2);
  print("stdout", "d");
  await expect.poll(() => two.pump.mock.calls.length).toBeGreaterThan(1);
  expect(one.pump).toHaveBeenCalledOnce();
  output.unwatch(two);
});

test("what an observer takes of a terminal, and its end, is reported to the client", async () => {
  const { output, print, hangUp } = open({ terminal: true });
  const client = watcher();
  output.watch(client);
  const leave = output.observe();
  print("stdout", "abc");
  expect(output.available(0)).toBe(3); // the kernel reports no output that has been taken
  await expect.poll(() => client.pump).toHaveBeenCalled();
  client.pump.mockClear();
  hangUp();
  expect(output.isOver(3)).toBe(true);
  await expect.poll(() => client.pump).toHaveBeenCalled();
  leave();
  output.unwatch(client);
});

test("acknowledged output stays for observers, and is dropped when the last of them leaves", () => {
  const { output, print } = open();
  const leave = [output.observe(), output.observe()];
  print("stdout", "abc");
  output.available(0);
  output.acknowledge(2);
  expect([output.base, String(output.copy(0, 9))]).toEqual([0, "abc"]);
  leave[0]?.();
  expect(output.base).toBe(0);
  leave[1]?.();
  expect([output.base, output.end]).toEqual([2, 3]);
});

test("of a pipe with more than the window the rest follows once the client acknowledges, and only then the end", () => {
  const { output, print, hangUp } = open();
  print("stdout", "a".repeat(65_536));
  output.available(0);
  output.acknowledge(65_536); // enlarges the pipe
  print("stdout", "b".repeat(200_000));
  expect(output.available(65_536)).toBe(196_608);
  hangUp();
  expect([output.available(262_144), output.isOver(262_144)]).toEqual([0, false]);
  output.acknowledge(262_144);
  expect([output.available(262_144), output.isOver(262_144), output.isOver(265_536)]).toEqual([3392, false, true]);
});

test("output that was closed can't be read, and its end is complete", async () => {
  const { output, attached, hangUp, print } = open();
  print("stdout", "abc");
  hangUp();
  expect([output.isOver(0), output.isOver(3)]).toEqual([false, true]);
  attached.finish();
  const message = "read: the output was closed";
  expect(() => output.copy(0, 3)).toThrow(expect.objectContaining({ kind: "not-found", message }));
  expect(output.isOver(3)).toBe(true);
});

test("nothing is dropped after it was closed: the process's other readers have it", () => {
  const { output, print, attached, process } = open();
  const leave = output.observe();
  print("stdout", "abc");
  output.available(0);
  output.acknowledge(2);
  attached.close();
  leave();
  expect([output.base, process.output("stdout").waiting]).toEqual([0, 3]);
});

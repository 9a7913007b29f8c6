import { expect, test } from "vitest";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { closeStreams, namesOf, PassedStream, readStreamName, restoreStreams, streamName } from "./passed-stream.ts";

const sys = openSys();
leavesNoDescriptors();

test("the label of a process names init's copies of its streams, from which a restarted agent restores them", () => {
  const [host, ours] = sys.socketPair("stream");
  const kernel = testKernel({ sys, greeting: { deposits: new Map([["passfd:7:1", ours]]) } });
  const gone = new PassedStream(kernel, "passfd:8:2", 8, undefined);
  const label = namesOf({ stdout: new PassedStream(kernel, "passfd:7:1", 7, ours), stderr: gone });
  expect(label).toEqual({ streams: { stdout: "passfd:7:1", stderr: "passfd:8:2" } });
  const restored = restoreStreams(kernel, label.streams);
  expect(restored).toMatchObject({
    stdout: { name: "passfd:7:1", port: 7, fd: ours },
    stderr: { name: "passfd:8:2", port: 8 },
  });
  expect(restored?.stderr?.fd).toBeUndefined();
  closeStreams(restored);
  closeStreams(restored);
  expect(sys.read(host, new Uint8Array(1))).toBe(0);
  expect(kernel.init.calls).toEqual([["withdraw", "passfd:7:1"]]);
  sys.close(host);
});

test("a process without streams has no names, and none are restored", () => {
  expect(namesOf(undefined)).toEqual({});
  expect(restoreStreams(testKernel(), undefined)).toBeUndefined();
  closeStreams(undefined);
});

test("a stream's name holds its port and its number; other deposits have none", () => {
  expect(readStreamName(streamName(1024, 36))).toEqual([1024, 36]);
  for (const name of ["listener", "xpassfd:1:1", "passfd:1:1x", "passfd::1", "passfd:1:"]) {
    expect(readStreamName(name)).toBeUndefined();
  }
});

test("a stream whose name isn't one of ours is restored with port 0", () => {
  expect(restoreStreams(testKernel(), { stdin: "x" })?.stdin?.port).toBe(0);
});

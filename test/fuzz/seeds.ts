import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH } from "../../agent/kernel/constants.ts";
import { encodeRequest, encodeTypes, type FileRequest } from "../../agent/kernel/files/file-protocol.ts";
import type { PlanOp } from "../../agent/kernel/init/plan.ts";
import { encodePlan } from "../../agent/kernel/init/plan-encode.ts";
import { ARBITRARY_SLOTS, arbitraryOps, arbitraryPlan } from "../../agent/kernel/testing/plan-arbitrary.ts";
import type { Target } from "./targets.ts";

const LAUNCH = 1;
const TYPES = [1, 2, 3, 4, 5, 6, 7, 8];
const EXEC: PlanOp = { op: "exec", args: ["x"], env: ["A=b"] };

/**
 * Writes valid inputs to start from, which cover what the corpus may lack, such as a new operation. Returns their
 * paths.
 */
export function writeSeeds(target: Target, directory: string): string[] {
  mkdirSync(directory, { recursive: true });
  return seedsOf(target).map((seed, index) => {
    const path = join(directory, `seed-${index}`);
    writeFileSync(path, seed);
    return path;
  });
}

function seedsOf(target: Target): Buffer[] {
  if (target === "decoders") {
    return [...plans().map((plan) => Buffer.concat([Buffer.of(ARBITRARY_SLOTS), plan])), ...messages()];
  }
  if (target === "files") return fileSessions();
  if (target === "channel") return channelSessions();
  if (target === "child") {
    return plans().map((plan, index) => {
      const answers = Buffer.from(Array.from({ length: (index * 7) % 60 }, (_, at) => (index * 31 + at * 97) & 0xff));
      return Buffer.concat([Buffer.of(ARBITRARY_SLOTS, answers.length, 0), answers, plan]);
    });
  }
  return [...plans().map(session), ...lives()];
}

/** A file that is opened, every call on it, and the same with failing calls. */
function fileSessions(): Buffer[] {
  const name = Buffer.from("name");
  const calls: FileRequest[] = [
    { call: "open", handle: 0, other: 1, name, numbers: [O_PATH, 8] },
    { call: "open", handle: 1, other: 2, numbers: [0, 8] },
    { call: "open", handle: 0, other: 3, name: Buffer.from("a/b"), numbers: [O_DIRECTORY, 16] },
    { call: "create", handle: 0, other: 4, name, numbers: [0o600] },
    ...(["stat", "statfs", "listxattr", "terminal", "path", "connect"] as const).map((call) => ({ call, handle: 1 })),
    { call: "list", handle: 3, numbers: [1] },
    { call: "read", handle: 2, numbers: [0, 65_536] },
    { call: "write", handle: 2, numbers: [7], data: Buffer.alloc(300, 1) },
    { call: "seek", handle: 2, numbers: [0, 1] },
    { call: "truncate", handle: 2, numbers: [9] },
    { call: "chown", handle: 2, numbers: [1, 2] },
    { call: "chmod", handle: 2, numbers: [0o640] },
    { call: "utimens", handle: 2, numbers: [1, 2, 3, 4] },
    { call: "getxattr", handle: 2, name: Buffer.from("user.key") },
    { call: "setxattr", handle: 2, name: Buffer.from("user.key"), data: name },
    { call: "mount", handle: 0, name, numbers: [O_PATH, 16] },
    { call: "mkdir", handle: 0, name, numbers: [0o700] },
    { call: "symlink", handle: 0, name, data: Buffer.from("../target") },
    { call: "readlink", handle: 0, name },
    { call: "link", handle: 0, other: 3, name, data: name },
    { call: "rename", handle: 0, other: 3, name, data: name, numbers: [1] },
    { call: "unlink", handle: 3, name, numbers: [0] },
    { call: "bind", handle: 0, name },
    { call: "adopt", handle: 0, other: 5 },
    { call: "load", handle: 5, name, numbers: [0, 16, 4096, 0], data: encodeTypes([1, 0]) },
    { call: "load", handle: 0, name, numbers: [0, 16, 65_536, 1], data: encodeTypes([0]) },
    { call: "empty", handle: 3, numbers: [5] },
    { call: "close", handle: 1 },
    ...[false, true].map((linked): FileRequest => {
      const numbers = [0o600, 1, 2, -3, 4, 5, 6, linked ? 1 : 0];
      return { call: "place", handle: 0, name, newName: name, data: Buffer.alloc(300, 1), numbers, linked };
    }),
    { call: "take", handle: 0, name, numbers: [O_PATH | O_NOFOLLOW, 8, 16_384] },
  ];
  const sent = ({ call }: FileRequest) => (["bind", "connect", "adopt"].includes(call) ? 1 : 0);
  const message = (bytes: Buffer, fds: number, kernel: readonly number[]) => {
    const head = Buffer.of(bytes.length & 0xff, bytes.length >> 8, fds, kernel.length);
    return Buffer.concat([head, Buffer.from(kernel), bytes]);
  };
  const step = (request: FileRequest, kernel: readonly number[]) =>
    message(encodeRequest(1, request), sent(request), kernel);
  /** The answers give statx a type: 0x81 in each byte is a regular file's, 0x41 a directory's. The last let `take` read one. */
  const taken = [0, 0x81, 1, 0, 0x81, 1, 0, 0, 0, 0, 1, 0];
  const sessions = [[], [0x81], [0x41], [1, 0x81, 3, 4], [0x81, 0xe1], taken].map((kernel) =>
    Buffer.concat(calls.map((request) => step(request, kernel))),
  );
  /** A full directory in one that is emptied, whose entries are full too: 0xe1 is EEXIST. */
  const full = [0, 1, 0, 0xe1, 0, 0, 1, 0, 0xe1, 0xe1, 0, 0];
  const emptied = step({ call: "empty", handle: 0, numbers: [12] }, [...full, ...full]);
  /** All requests in one message, and that with its end cut off. */
  const plain = calls.filter((request) => sent(request) === 0 && request.call !== "close");
  const all = Buffer.concat(plain.map((request) => encodeRequest(1, request)));
  const packed = [0, 1, 100, 350, all.length - 88].map((cut) => message(all.subarray(0, all.length - cut), 0, taken));
  return [
    ...sessions,
    emptied,
    ...packed,
    message(all, 1, []),
    ...calls.flatMap((request) => [step(request, [0xe0]), step({ ...request, handle: 9 }, [])]),
  ];
}

/** Conversations of the host with the relay: connections that are used and ended in each way, and broken rules. */
function channelSessions(): Buffer[] {
  const [OPEN, DATA, CREDIT, END, CLOSE] = [3, 5, 6, 7, 8] as const;
  const frame = (type: number, connection: number, payload: Uint8Array = Buffer.alloc(0)) => {
    const head = Buffer.alloc(8);
    head[0] = type;
    head.writeUInt16LE(payload.length, 2);
    head.writeUInt32LE(connection, 4);
    return Buffer.concat([head, payload]);
  };
  const word = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
  const host = (...frames: Buffer[]) => {
    const bytes = Buffer.concat(frames);
    return Buffer.concat([Buffer.of(0, bytes.length & 0xff, bytes.length >> 8), bytes]);
  };
  const agent = (action: number) => Buffer.of(1, 0, action);
  const event = (events: number) => Buffer.of(2, 0, events);
  const taken = Buffer.of(3, 0, 0);
  const [readable, writable, hungUp] = [event(1), event(4), event(0x11)] as const;
  const open = host(frame(OPEN, 0, word(1)));
  const [END_IT, CLOSE_IT, DEAFEN, READ, WRITE] = [0, 1, 2, 3, 254] as const;
  const big = Buffer.alloc(30_000, 1);
  const many = Array.from({ length: 8 }, () => host(frame(DATA, 0, big)));
  const sessions = [
    [open, taken, host(frame(DATA, 0, big)), agent(READ), taken, host(frame(END, 0)), agent(END_IT), hungUp, taken],
    [open, agent(WRITE), readable, taken, host(frame(CREDIT, 0, word(1000))), agent(CLOSE_IT), readable, hungUp, taken],
    [open, ...many, agent(READ), writable, taken, agent(READ), writable, host(frame(CLOSE, 0)), taken],
    [open, ...many, host(frame(CLOSE, 0)), agent(READ), writable, agent(READ), writable, taken],
    [open, ...many, agent(CLOSE_IT), event(0x14), readable, taken, host(frame(CLOSE, 0))],
    [open, agent(DEAFEN), ...many, taken, host(frame(END, 0)), host(frame(CLOSE, 0)), taken],
    [host(frame(OPEN, 0, word(4))), taken, host(frame(DATA, 0, big)), host(frame(CLOSE, 0)), open, taken],
    [host(frame(OPEN, 1023, word(1)), frame(END, 1023), frame(CLOSE, 1023)), taken, taken],
    [host(...[0, 1, 2, 3].map((id) => frame(OPEN, id, word(id)))), agent(WRITE), readable, taken],
    ...[OPEN, DATA, CREDIT, END, CLOSE].flatMap((type) => [
      [host(frame(type, 0, word(1)))],
      [open, host(frame(type, 0, word(1)), frame(type, 0, word(1)))],
      [open, host(frame(CLOSE, 0), frame(type, 0))],
      [open, host(frame(END, 0), frame(type, 0, Buffer.of(1)))],
    ]),
    [open, host(frame(9, 0))],
    [open, host(frame(DATA, 1024, Buffer.of(1)))],
  ];
  return sessions.map((steps) => Buffer.concat(steps));
}

function plans(): Uint8Array[] {
  const alone = arbitraryOps.flatMap((op) =>
    fc.sample(op, { numRuns: 2, seed: 1 }).map((first) => encodePlan([first, EXEC])),
  );
  return [...alone, ...fc.sample(arbitraryPlan, { numRuns: 60, seed: 1 }).map(encodePlan)];
}

function messages(): Buffer[] {
  return TYPES.flatMap((type) =>
    [0, 4, 8, 20, 30].map((body) => Buffer.concat([Buffer.of(0x82), message(type, 0, body)])),
  );
}

function message(type: number, id: number, body: number | Uint8Array): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(id, 8);
  return Buffer.concat([header, typeof body === "number" ? Buffer.alloc(body) : body]);
}

const label = Buffer.from("label");

/** Encodes a launch that keeps two descriptors. Its plan may use at most ARBITRARY_SLOTS slots. */
function launching(plan: Uint8Array, flags: number, cgroupSlot: number): Buffer {
  const launch = Buffer.alloc(20);
  launch.writeUInt32LE(flags, 0);
  launch.writeUInt32LE(0b110, 4);
  launch.writeUInt16LE(ARBITRARY_SLOTS, 8);
  launch.writeInt16LE(-1, 12);
  launch.writeInt16LE(cgroupSlot, 14);
  launch.writeUInt32LE(label.length, 16);
  return send(1 + ARBITRARY_SLOTS + 2, message(LAUNCH, 7, Buffer.concat([launch, label])), plan);
}

/** Encodes a launch, the process's end, and all requests about it. */
function session(plan: Uint8Array, index: number): Buffer {
  const asked = [
    message(2, 7, 0),
    message(3, 7, Buffer.of(index % 6, 0, 0, 0)),
    message(5, 0, Buffer.from("name")),
    message(6, 0, Buffer.of(1, 0, 0, 0)),
    message(8, 0, Buffer.of(index & 0xff, 1, 0, 0)),
    message(7, 9, Buffer.concat([Buffer.of(4, 0, 0, 0, 0, 0, 0, 0), label])),
  ];
  const end = Buffer.of(4, 1, index & 0xff);
  return Buffer.concat([
    launching(plan, index & 1, index % 3 === 0 ? 2 : -1),
    send(1, message(4, 0, Buffer.from("name")), Buffer.alloc(0)),
    Buffer.of(2, 3),
    index % 2 === 0 ? end : Buffer.of(5, 1),
    ...asked.flatMap((bytes) => [send(0, bytes), Buffer.of(2, 3)]),
    end,
  ]);
}

/**
 * Encodes processes with and without a `fork`, in every order of events that changes their state (table.c lists the
 * legal changes).
 */
function lives(): Buffer[] {
  const [read, flush, newAgent] = [Buffer.of(2), Buffer.of(3), Buffer.of(5, 1)];
  const forget = Buffer.concat([send(0, message(2, 7, 0)), read]);
  // The target counts the children as its first and second process. The first has forked if its status is odd.
  const [firstForks, firstEnds, secondEnds] = [Buffer.of(4, 1, 1), Buffer.of(4, 1, 0), Buffer.of(4, 2, 0)] as const;
  const orphanEnds = Buffer.of(4, 0x85, 3);
  const adopt = send(0, message(7, 9, Buffer.concat([Buffer.of(5, 0, 0, 0, 0, 0, 0, 0), label])));
  const plan = encodePlan([{ op: "fork", flags: 0 }, EXEC]);
  const forking = [
    [firstForks, flush, secondEnds, flush],
    [firstForks, secondEnds, flush],
    [firstForks, forget, secondEnds],
    [firstForks, newAgent, forget],
    [firstEnds, flush, forget],
    [firstEnds, forget],
    [firstEnds, newAgent],
    [forget, firstForks, secondEnds],
    [forget, firstEnds],
    [newAgent, firstForks],
  ].map((events) => [launching(plan, 0, -1), read, ...events]);
  const simple = [
    [firstEnds, flush, forget],
    [firstEnds, forget],
    [forget, firstEnds],
  ].map((events) => [launching(encodePlan([EXEC]), 0, -1), read, ...events]);
  return [...forking, ...simple, [orphanEnds, adopt, read, flush]].map((steps) => Buffer.concat([flush, ...steps]));
}

function send(descriptors: number, bytes: Uint8Array, plan?: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(0, 1, descriptors), sized(bytes), ...(plan === undefined ? [] : [sized(plan)])]);
}

function sized(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

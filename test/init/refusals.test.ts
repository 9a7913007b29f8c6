import { closeSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { PlanOp } from "../../agent/kernel/init/plan.ts";
import type { Fd } from "../../agent/kernel/kernel.ts";
import { type LaunchFields, launchBody, message, nextReply, planFile, u32 } from "./testing/raw.ts";
import { type RelayedInit, startRelayedInit, sys } from "./testing/relayed-init.ts";
import { describeInit } from "./testing/variants.ts";

const [LAUNCH, FORGET, CLOSE, KEEP, DROP, POWER, HEARTBEAT, LAUNCHED, REFUSED] = [1, 2, 3, 4, 5, 6, 8, 16, 21];
const [EPERM, ENOENT, EBADF, EEXIST, EINVAL, EMSGSIZE, ENOSYS, EBADMSG] = [1, 2, 9, 17, 22, 90, 38, 74];
const [AT_MESSAGE, AT_PLAN, AT_PIDNS, AT_CLONE] = [1, 2, 3, 4];
const WHOLE_PLAN = 0xffffffff;

const GOOD: PlanOp[] = [
  { op: "find", candidates: ["/bin/busybox"] },
  { op: "exec", args: ["true"], env: [] },
];

describeInit("init keeps running and refuses, with an error code,", (binary) => {
  let init: RelayedInit;
  let socket: Fd;
  let report: { read: Fd; write: Fd };
  let id = 100;

  beforeAll(async () => {
    init = await startRelayedInit({ init: binary });
    socket = await init.nextSocket();
    expect((await nextReply(socket)).type).toBe(20);
    report = sys.pipe();
  });
  afterAll(async () => {
    for (const fd of [socket, report.read, report.write]) sys.close(fd);
    await init[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    // Init and its agent are the same: a valid launch still works, and no other answer came before it.
    const plan = planFile(GOOD);
    const reply = await request(message(LAUNCH, ++id, launchBody({})), [plan, report.write]);
    expect([reply.type, reply.id, reply.body.readInt32LE(0)]).toEqual([LAUNCHED, id, 0]);
    for (const fd of [...reply.fds, plan]) sys.close(fd);
    expect((await nextReply(socket)).type).toBe(17);
    sys.sendMessage(socket, message(FORGET, id), []);
    expect(init.running.console()).not.toMatch(/runtime error|AddressSanitizer|the agent ended/);
  });

  async function request(bytes: Uint8Array, fds: readonly Fd[] = []) {
    expect(sys.sendMessage(socket, bytes, fds)).toBe(true);
    return nextReply(socket);
  }
  async function refused(bytes: Uint8Array, fds: readonly Fd[] = []) {
    const reply = await request(bytes, fds);
    expect(reply.type).toBe(REFUSED);
    return { id: reply.id, type: reply.body.readUInt32LE(0), errno: -reply.body.readInt32LE(4) };
  }
  async function launchRefused(fields: LaunchFields, fds: readonly Fd[]) {
    const reply = await request(message(LAUNCH, 7, launchBody(fields)), fds);
    expect([reply.type, reply.id, reply.fds.length]).toEqual([LAUNCHED, 7, 0]);
    return {
      errno: -reply.body.readInt32LE(0),
      where: reply.body.readUInt32LE(8),
      detail: reply.body.readUInt32LE(12),
    };
  }
  /** Launches a plan that init refuses. Returns the error and where it is. */
  async function planRefused(plan: readonly PlanOp[], change?: (bytes: Buffer) => Buffer | undefined) {
    const file = planFile(plan, change);
    const result = await launchRefused({}, [file, report.write]);
    sys.close(file);
    return result;
  }

  test.each([0, 1, 15])("a message of %i bytes", async (length) => {
    expect(await refused(new Uint8Array(length))).toEqual({ id: 0, type: 0, errno: EBADMSG });
  });

  test("a message of more than 4096 bytes", async () => {
    expect(await refused(message(DROP, 0, new Uint8Array(8000)))).toEqual({ id: 0, type: DROP, errno: EMSGSIZE });
  });

  test("a header whose reserved field is not zero", async () => {
    expect(await refused(message(FORGET, 5, undefined, 1))).toEqual({ id: 5, type: FORGET, errno: EBADMSG });
  });

  test.each([0, 9, 16, 0xffffffff])("a message of the unknown type %i", async (type) => {
    expect(await refused(message(type, 3))).toEqual({ id: 3, type, errno: ENOSYS });
  });

  test("messages whose bodies have the wrong length", async () => {
    expect((await refused(message(FORGET, 3, u32(1)))).errno).toBe(EBADMSG);
    expect((await refused(message(CLOSE, 3))).errno).toBe(EBADMSG);
    expect((await refused(message(POWER, 0, u32(0, 0)))).errno).toBe(EBADMSG);
    expect((await refused(message(HEARTBEAT, 0))).errno).toBe(EBADMSG);
    const reply = await request(message(LAUNCH, 3, new Uint8Array(19)));
    expect([reply.type, reply.body.readInt32LE(0)]).toEqual([LAUNCHED, -EBADMSG]);
  });

  test("messages with values out of range", async () => {
    expect((await refused(message(CLOSE, 3, u32(6)))).errno).toBe(EINVAL);
    expect((await refused(message(POWER, 0, u32(2)))).errno).toBe(EINVAL);
    expect((await refused(message(HEARTBEAT, 0, u32(86_400_001)))).errno).toBe(EINVAL);
    expect((await refused(message(DROP, 0))).errno).toBe(EINVAL);
    expect((await refused(message(DROP, 1, Buffer.from("x")))).errno).toBe(EINVAL);
    expect((await refused(message(DROP, 0, new Uint8Array(101)))).errno).toBe(EINVAL);
  });

  test("messages with missing or surplus descriptors", async () => {
    expect((await refused(message(KEEP, 0, Buffer.from("x")))).errno).toBe(EBADF);
    expect((await refused(message(KEEP, 0, Buffer.from("x")), [report.read, report.read])).errno).toBe(EBADF);
    expect((await refused(message(FORGET, 1), [report.read])).errno).toBe(EBADF);
    const file = planFile(GOOD);
    expect(await launchRefused({}, [file])).toMatchObject({ errno: EBADF, where: AT_MESSAGE });
    expect(await launchRefused({ keep: 3 }, [file, report.write, report.read])).toMatchObject({ errno: EBADF });
    expect(await launchRefused({ slots: 0 }, [file])).toMatchObject({ errno: EINVAL, where: AT_MESSAGE });
    sys.close(file);
  });

  test("messages about a process or deposit that doesn't exist", async () => {
    expect((await refused(message(FORGET, 99))).errno).toBe(ENOENT);
    expect((await refused(message(CLOSE, 99, u32(0)))).errno).toBe(ENOENT);
    expect((await refused(message(DROP, 0, Buffer.from("nothing")))).errno).toBe(ENOENT);
  });

  test.each<[string, LaunchFields]>([
    ["unknown flags", { flags: 2 }],
    ["an unknown role", { keep: 64 }],
    ["a report slot out of range", { reportSlot: 1 }],
    ["a pid namespace slot out of range", { pidNamespaceSlot: 1 }],
    ["a pid namespace slot below -1", { pidNamespaceSlot: -2 }],
    ["a cgroup slot out of range", { cgroupSlot: 1 }],
    ["a label of 1025 bytes", { label: "x".repeat(1025) }],
  ])("a launch with %s", async (_, fields) => {
    const file = planFile(GOOD);
    expect(await launchRefused(fields, [file, report.write])).toMatchObject({ errno: EINVAL, where: AT_MESSAGE });
    sys.close(file);
  });

  test("a launch whose label is shorter or longer than announced", async () => {
    const file = planFile(GOOD);
    for (const labelLength of [0, 3, 0xffffffff]) {
      const result = await launchRefused({ label: "ab", labelLength }, [file, report.write]);
      expect(result).toMatchObject({ errno: EBADMSG, where: AT_MESSAGE });
    }
    sys.close(file);
  });

  test("a launch whose id is in use", async () => {
    const file = planFile(GOOD);
    const first = await request(message(LAUNCH, 7, launchBody({})), [file, report.write]);
    expect(first.body.readInt32LE(0)).toBe(0);
    expect((await nextReply(socket)).type).toBe(17);
    expect(await launchRefused({}, [file, report.write])).toMatchObject({ errno: EEXIST, where: AT_MESSAGE });
    sys.sendMessage(socket, message(FORGET, 7), []);
    for (const fd of [file, ...first.fds]) sys.close(fd);
  });

  test("a launch whose pid namespace slot or cgroup slot holds something else", async () => {
    const file = planFile(GOOD);
    expect(await launchRefused({ pidNamespaceSlot: 0 }, [file, report.write])).toMatchObject({
      errno: EINVAL,
      where: AT_PIDNS,
    });
    expect(await launchRefused({ cgroupSlot: 0 }, [file, report.write])).toMatchObject({
      errno: EBADF,
      where: AT_CLONE,
    });
    sys.close(file);
  });

  test("a plan that is not a sealed memory file", async () => {
    const path = join(init.shared, "plan");
    writeFileSync(path, "plan");
    const file = openSync(path, "r");
    expect(await launchRefused({}, [file, report.write])).toMatchObject({ errno: EINVAL, where: AT_PLAN });
    closeSync(file);
    expect(await launchRefused({}, [report.read, report.write])).toMatchObject({ errno: EINVAL, where: AT_PLAN });
    const unsealed = openSync("/dev/shm/guestd-test-plan", "w+"); // tmpfs files support F_GET_SEALS like memfds
    expect(await launchRefused({}, [unsealed, report.write])).toMatchObject({ errno: EPERM, where: AT_PLAN });
    closeSync(unsealed);
    rmSync("/dev/shm/guestd-test-plan");
  });

  test("plans of more than 16 MiB, and empty plans", async () => {
    expect(await planRefused(GOOD, () => Buffer.alloc(16 * 1024 * 1024 + 1))).toMatchObject({
      errno: EMSGSIZE,
      where: AT_PLAN,
    });
    expect(await planRefused(GOOD, () => Buffer.alloc(0))).toMatchObject({ errno: EMSGSIZE, where: AT_PLAN });
  });

  test.each<[string, (bytes: Buffer) => Buffer | undefined]>([
    ["half a header", (bytes) => bytes.subarray(0, 16)],
    ["another magic", (bytes) => void bytes.writeUInt32LE(1, 0)],
    ["a reserved field that is not zero", (bytes) => void bytes.writeUInt32LE(1, 28)],
    ["no operation", (bytes) => void bytes.writeUInt32LE(0, 4)],
    ["more operations than bytes", (bytes) => void bytes.writeUInt32LE(0x10000000, 4)],
    ["more words than bytes", (bytes) => void bytes.writeUInt32LE(0x20000000, 8)],
    ["more strings than bytes", (bytes) => void bytes.writeUInt32LE(0xffffffff, 12)],
    ["one byte too few", (bytes) => bytes.subarray(0, bytes.length - 1)],
    ["one byte too many", (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])],
    ["unterminated strings", (bytes) => void bytes.writeUInt8(65, bytes.length - 1)],
  ])("a plan with %s", async (_, change) => {
    expect(await planRefused(GOOD, change)).toEqual({ errno: EBADMSG, where: AT_PLAN, detail: WHOLE_PLAN });
  });

  const at = (op: number, argument: number) => 32 + op * 32 + 4 + argument * 4;
  test.each<[string, PlanOp[], number, (bytes: Buffer) => Buffer | undefined]>([
    [
      "a path outside the string area",
      [{ op: "chdir", path: "/" }],
      0,
      (b) => void b.writeUInt32LE(b.readUInt32LE(12), at(0, 0)),
    ],
    [
      "a string outside the string area",
      [{ op: "sethostname", name: "x" }],
      0,
      (b) => void b.writeUInt32LE(0xfffffffe, at(0, 0)),
    ],
    ["a missing string", [{ op: "sethostname", name: "x" }], 0, (b) => void b.writeUInt32LE(0xffffffff, at(0, 0))],
    ["an empty path", [{ op: "chdir", path: "" }], 0, () => undefined],
    ["a path of 4096 bytes", [{ op: "chdir", path: "x".repeat(4096) }], 0, () => undefined],
    ["a slot out of range", [{ op: "wait", slot: 1 }], 0, () => undefined],
    [
      "a flag that is neither 0 nor 1",
      [{ op: "attach", target: "/x", overProc: false }],
      0,
      (b) => void b.writeUInt32LE(2, at(0, 1)),
    ],
    ["an unused argument that is set", [{ op: "setsid" }], 0, (b) => void b.writeUInt32LE(1, at(0, 6))],
    ["an array that begins at the wrong word", [{ op: "setsid" }], 1, (b) => void b.writeUInt32LE(1, at(1, 0))],
    ["an array longer than the words", [{ op: "setsid" }], 1, (b) => void b.writeUInt32LE(0xffffffff, at(1, 1))],
    ["an empty array that must not be empty", [{ op: "find", candidates: [] }], 0, () => undefined],
    [
      "an array with a string outside the string area",
      [{ op: "setsid" }],
      1,
      (b) => void b.writeUInt32LE(0xffff, 32 + 3 * 32),
    ],
    ["an array with a 64-bit offset", [{ op: "setsid" }], 1, (b) => void b.writeUInt32LE(1, 32 + 3 * 32 + 4)],
    ["an unterminated array", [{ op: "setsid" }], 1, (b) => void b.writeUInt32LE(1, 32 + 3 * 32 + 8)],
    ["too many groups", [{ op: "user", uid: 0, gid: 0, groups: new Array<number>(65537).fill(0) }], 0, () => undefined],
    ["an exec that isn't last", [{ op: "exec", args: ["x"], env: [] }], 0, () => undefined],
  ])("a plan with %s", async (_, before, detail, change) => {
    expect(await planRefused([...before, ...GOOD], change)).toEqual({ errno: EINVAL, where: AT_PLAN, detail });
  });

  test.each([0, 1000, 0xffffffff])("a plan with the unknown operation %i", async (code) => {
    const result = await planRefused(GOOD, (bytes) => void bytes.writeUInt32LE(code, 32));
    expect(result).toEqual({ errno: ENOSYS, where: AT_PLAN, detail: 0 });
  });

  test("a plan without exec at its end", async () => {
    expect(await planRefused([{ op: "setsid" }])).toEqual({ errno: EINVAL, where: AT_PLAN, detail: 0 });
  });

  test("a plan with more than one fork", async () => {
    const fork: PlanOp = { op: "fork", flags: 0 };
    expect(await planRefused([fork, fork, ...GOOD])).toEqual({ errno: EINVAL, where: AT_PLAN, detail: 1 });
  });

  test("a plan with words that no array uses", async () => {
    const grown = (bytes: Buffer) => {
      const start = 32 + 2 * 32;
      bytes.writeUInt32LE(bytes.readUInt32LE(8) + 1, 8);
      return Buffer.concat([
        bytes.subarray(0, start),
        bytes.subarray(start, start + 5 * 8),
        Buffer.alloc(8),
        bytes.subarray(start + 5 * 8),
      ]);
    };
    expect(await planRefused(GOOD, grown)).toEqual({ errno: EBADMSG, where: AT_PLAN, detail: WHOLE_PLAN });
  });

  test("messages without leaving one of their descriptors open", async () => {
    const pid = await init.running.pid();
    // Init answers in order: what it received before this message without descriptors is closed.
    const settled = () => launchRefused({}, []);
    await settled();
    const before = readdirSync(`/proc/${pid}/fd`).length;
    const file = planFile([{ op: "setsid" }]);
    for (let i = 0; i < 100; i++) {
      await launchRefused({ slots: 3 }, [file, report.write, report.write, report.write]);
      await refused(message(FORGET, 1), new Array<Fd>(64).fill(report.read));
    }
    sys.close(file);
    await settled();
    expect(readdirSync(`/proc/${pid}/fd`).length).toBe(before);
  });
});

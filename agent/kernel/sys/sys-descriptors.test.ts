import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from "../constants.ts";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { openSys } from "./sys.ts";

const sys = openSys();
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
leavesNoDescriptors();

test("a pipe has the requested size, and reports when it is full, empty and at its end", () => {
  const { read, write } = sys.pipe({ sizeBytes: 8192 });
  const into = new Uint8Array(16384);
  sys.setNonBlocking(read);
  sys.setNonBlocking(write);
  expect(sys.read(read, into)).toBe(-1);
  expect(sys.write(write, into)).toBe(8192);
  expect(sys.write(write, into)).toBe(-1);
  expect(sys.readable(read)).toBe(8192);
  sys.close(write);
  expect(sys.read(read, into)).toBe(8192);
  expect(sys.read(read, into)).toBe(0);
  sys.close(read);
});

test("a pipe is close-on-exec and has the kernel's default size of 64 KiB", () => {
  const { read, write } = sys.pipe();
  expect(readFileSync(`/proc/self/fdinfo/${read}`, "utf8")).toMatch(/flags:\s+0?2000000/);
  sys.setNonBlocking(write);
  expect(sys.write(write, new Uint8Array(1 << 20))).toBe(65536);
  sys.close(read);
  sys.close(write);
});

test("a write to a pipe without a reader fails with EPIPE and raises no signal", () => {
  const { read, write } = sys.pipe();
  sys.close(read);
  expect(() => sys.write(write, new Uint8Array(1))).toThrow(`write fd ${write}: EPIPE (broken pipe)`);
  sys.close(write);
});

test("a pipe larger than the kernel allows is refused and leaves nothing open", () => {
  expect(() => sys.pipe({ sizeBytes: 2 ** 31 - 1 })).toThrow(/^pipe: E\w+ \(.+\)$/);
});

test("a copy stays open when the first descriptor is closed", () => {
  const { read, write } = sys.pipe();
  const copy = sys.dup(write);
  sys.close(write);
  expect(sys.write(copy, Buffer.from("hi"))).toBe(2);
  const into = new Uint8Array(2);
  sys.read(read, into);
  expect(text(into)).toBe("hi");
  sys.close(read);
  sys.close(copy);
});

test("every error names the call and the descriptor", () => {
  const into = new Uint8Array(1);
  expect(() => sys.close(9999)).toThrow("close fd 9999: EBADF (bad file descriptor)");
  expect(() => sys.read(9999, into)).toThrow("read fd 9999: EBADF");
  expect(() => sys.dup(9999)).toThrow("dup fd 9999: EBADF");
  expect(() => sys.setNonBlocking(9999)).toThrow("set non-blocking fd 9999: EBADF");
  expect(() => sys.readable(9999)).toThrow("ioctl FIONREAD fd 9999: EBADF");
});

test("a memory file holds the content and refuses every change", () => {
  const fd = sys.memoryFile("plan", Buffer.from("content"));
  expect(readFileSync(`/proc/self/fd/${fd}`, "utf8")).toBe("content");
  const into = new Uint8Array(7);
  expect(sys.read(fd, into)).toBe(7);
  expect(() => sys.write(fd, into)).toThrow(`write fd ${fd}: EPERM`);
  sys.close(fd);
});

test("openat2 stays in its root, opens a FIFO without blocking, and names the path that failed", () => {
  const dir = mkdtempSync(join(tmpdir(), "guestd-sys-"));
  const root = sys.openat2(0, dir, O_PATH | O_DIRECTORY, 0);
  try {
    writeFileSync(join(dir, "passwd"), "inside");
    symlinkSync("/passwd", join(dir, "link"));
    const fd = sys.openat2(root, "link", 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    expect(readFileSync(fd, "utf8")).toBe("inside");
    sys.close(fd);
    const missing = () => sys.openat2(root, "../etc/hostname", 0, RESOLVE_IN_ROOT);
    expect(missing).toThrow(`openat2 ../etc/hostname in fd ${root}: ENOENT (no such file or directory)`);
  } finally {
    sys.close(root);
    rmSync(dir, { recursive: true });
  }
});

test("descriptors sent with a message arrive as the receiver's own", () => {
  const [ours, theirs] = sys.socketPair("seqpacket");
  const { read, write } = sys.pipe();
  const buffer = new Uint8Array(64);
  expect(sys.sendMessage(ours, Buffer.from("take"), [write])).toBe(true);
  sys.close(write);
  const message = sys.receiveMessage(theirs, buffer);
  expect(text(message?.data ?? buffer)).toBe("take");
  const [received = -1] = message?.fds ?? [];
  expect(readFileSync(`/proc/self/fdinfo/${received}`, "utf8")).toMatch(/flags:\s+0?2000001/);
  sys.write(received, Buffer.from("through"));
  expect(text(buffer.subarray(0, sys.read(read, buffer)))).toBe("through");
  for (const fd of [ours, theirs, read, received]) sys.close(fd);
});

test("64 descriptors arrive in order, and 65 are refused before the kernel sees them", () => {
  const [ours, theirs] = sys.socketPair("seqpacket");
  const files = Array.from({ length: 64 }, (_, i) => sys.memoryFile(`m${i}`, Buffer.from([i])));
  expect(() => sys.sendMessage(ours, new Uint8Array(1), [...files, ours])).toThrow(TypeError);
  sys.sendMessage(ours, new Uint8Array(1), files);
  const received = sys.receiveMessage(theirs, new Uint8Array(8))?.fds ?? [];
  expect(received.map((fd) => readFileSync(`/proc/self/fd/${fd}`)[0])).toEqual(files.map((_, i) => i));
  for (const fd of [...files, ...received, ours, theirs]) sys.close(fd);
});

test("a message longer than the buffer fails with EMSGSIZE, and the next one arrives complete", () => {
  const [ours, theirs] = sys.socketPair("seqpacket");
  sys.sendMessage(ours, new Uint8Array(100), [ours, ours]);
  sys.sendMessage(ours, Buffer.from("next"));
  const buffer = new Uint8Array(50);
  expect(() => sys.receiveMessage(theirs, buffer)).toThrow(`recvmsg fd ${theirs}: EMSGSIZE`);
  expect(text(sys.receiveMessage(theirs, buffer)?.data ?? buffer)).toBe("next");
  for (const fd of [ours, theirs]) sys.close(fd);
});

test("an empty socket, a full one and one whose peer is gone give different results", () => {
  const [ours, theirs] = sys.socketPair("seqpacket");
  const buffer = new Uint8Array(4096);
  expect(sys.receiveMessage(theirs, buffer)).toBeUndefined();
  let sent = 0;
  while (sys.sendMessage(ours, buffer)) sent++;
  expect(sent).toBeGreaterThan(1);
  for (let i = 0; i < sent; i++) expect(sys.receiveMessage(theirs, buffer)?.data.length).toBe(4096);
  sys.close(ours);
  expect(sys.receiveMessage(theirs, buffer)).toEqual({ data: new Uint8Array(0), fds: [] });
  expect(() => sys.sendMessage(theirs, buffer)).toThrow(
    `sendmsg fd ${theirs} with 4096 bytes and 0 descriptors: EPIPE (broken pipe)`,
  );
  sys.close(theirs);
});

test.each(["", "text"])("a peer that sends %j and no descriptor is refused", async (text) => {
  const path = `@guestd-accept-${process.pid}`;
  const listener = sys.listenUnix(path);
  const accepting = sys.acceptDescriptor(listener);
  const peer = connect(path.replace("@", "\0")).on("error", () => undefined);
  peer.end(text);
  await expect(accepting).rejects.toMatchObject({
    kind: "internal",
    message: `accept on fd ${listener}: the peer sent no descriptor`,
  });
  peer.destroy();
  sys.close(listener);
});

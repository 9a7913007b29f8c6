import { loadAddon } from "./load-addon.ts";

/** Readiness of one descriptor on Node's event loop. Holds no descriptor: `close` before the descriptor is closed. */
export interface NativePoll {
  /** Bits: 1 readable, 2 writable. The callback comes until `stop`. 0 or -errno. */
  start(events: number): number;
  stop(): number;
  /** Idempotent, also within the callback. */
  close(): number;
}

/**
 * build/native/sys.node as it is: numbers in, and numbers ≥ 0 or -errno out. A wrong type or range throws TypeError.
 * See agent/native/sys/*.c for each; `sys.ts` is what the agent uses.
 */
export interface NativeAddon {
  readonly Poll: new (fd: number, callback: (status: number, events: number) => void) => NativePoll;
  /** Before libuv watches a descriptor: it aborts the process when the kernel refuses that. 0 or -errno. */
  reserveWatch(fd: number): number;
  pipe(out: Int32Array, size: number): number;
  setNonBlocking(fd: number): number;
  dup(fd: number): number;
  /** -EAGAIN when another open file has it. */
  lock(fd: number): number;
  close(fd: number): number;
  read(fd: number, into: Uint8Array): number;
  write(fd: number, from: Uint8Array): number;
  readable(fd: number): number;
  changed(fd: number): number;
  splice(from: number, to: number, length: number): number;
  memoryFile(name: string, content: Uint8Array): number;
  mapShared(fd: number, length: number): ArrayBuffer | number;
  openat2(dir: number, path: string, flags: number, resolve: number): number;
  openInside(dir: number, path: string, flags: number, resolve: number, types: Int32Array): Promise<number>;
  copyInside(
    dir: number,
    path: string,
    resolve: number,
    types: Int32Array,
    limit: number,
    tail: number,
  ): Promise<number>;
  statfsType(fd: number): number;
  makeNode(dir: number, name: string, mode: number, major: number, minor: number): number;
  setXattr(fd: number, name: string, value: Uint8Array): number;
  vsockSocket(): number;
  unixSocket(): number;
  socketPair(out: Int32Array, kind: 0 | 1): number;
  bindVsock(fd: number, cid: number, port: number): number;
  connectVsock(fd: number, cid: number, port: number): number;
  bindUnix(fd: number, path: string): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number): number;
  endConnection(fd: number): number;
  socketError(fd: number): number;
  peerCid(fd: number): number;
  peerPort(fd: number): number;
  localPort(fd: number): number;
  sendMessage(fd: number, data: Uint8Array, fds: readonly number[]): number;
  receive(fd: number, region: Uint8Array): number;
  send(fd: number, region: Uint8Array, length: number): number;
  receiveMessage(fd: number, into: Uint8Array, fds: Int32Array): number;
  mount(source: string, target: string, type: string, flags: number, data: string): Promise<number>;
  umount(target: string, flags: number): Promise<number>;
  detachedMount(
    type: string,
    options: readonly (string | null)[],
    attributes: number,
  ): [result: number, step: number, log: string];
  attachMount(mount: number, target: string): number;
  openTree(path: string, recursive: number): Promise<number>;
  idmapMount(mount: number, userns: number, recursive: number): number;
  openTerminal(dir: number): number;
  terminalPeer(master: number): number;
  terminalNumber(master: number): number;
  setWindowSize(fd: number, rows: number, columns: number): number;
  unshare(flags: number): number;
  setns(fd: number, flags: number): number;
  sethostname(name: string): number;
  pidfdOpen(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  setChildSubreaper(on: number): number;
  setDumpable(on: number): number;
  setThreadName(name: string): number;
  collectGarbage(): number;
  trimHeap(): number;
  keepForGood(bytes: Uint8Array): number;
  /** For the launcher. */
  mapText(path: string): string | number;
  refuseCalls(filter: Uint8Array): number;
  loadDeviceFilter(instructions: Uint8Array): number;
  attachDeviceFilter(cgroup: number, program: number): number;
  replaceDeviceFilter(cgroup: number, program: number, replaced: number): number;
  attachedDeviceFilter(cgroup: number): number;
  setTime(seconds: number, micros: number): number;
  creditEntropy(fd: number, bits: number): number;
  reseedRandom(fd: number): number;
  swapOn(path: string): Promise<number>;
  growExt4(fd: number, blocks: number): Promise<number>;
  growXfs(fd: number, blocks: number): Promise<number>;
  deviceMapper(command: number, request: Uint8Array): Promise<number>;
  ueventSocket(): number;
  receiveUevent(fd: number, into: Uint8Array): number;
}

let loaded: NativeAddon | undefined;

/** The addon, loaded at the first call (3 ms). Throws one line that says where it was looked for. */
export function nativeAddon(): NativeAddon {
  loaded ??= loadAddon<NativeAddon>("sys.node");
  return loaded;
}

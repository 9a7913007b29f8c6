import { loadAddon } from "./load-addon.ts";

/** Polls one descriptor on Node's event loop without owning it. Must be closed before the descriptor. */
export interface NativePoll {
  /** Starts polling for bits 1 readable, 2 writable, 4 only when that changes; calls back until `stop`. Returns 0 or -errno. */
  start(events: number): number;
  stop(): number;
  /** Closes the handle; idempotent, even within the callback. */
  close(): number;
}

/** Moves bytes from one socket to another through a pipe; see agent/native/sys/pump.c. Must be closed before its descriptors. */
export interface NativePump {
  /** Moves from the next turn of the event loop on. Returns 0 or -errno. */
  start(): number;
  /** Ends once `count` bytes were moved. Returns 1 if they are, and doesn't call back then; else 0. */
  endAt(count: number): number;
  /** Stops moving; idempotent, even within the callback. */
  close(): number;
}

/**
 * Raw interface of build/native/sys.node: functions return a number ≥ 0 or -errno, and throw TypeError for an argument of the
 * wrong type or range. agent/native/sys/*.c documents each function; the agent uses them through `sys.ts`.
 */
export interface NativeAddon {
  readonly Poll: new (fd: number, callback: (status: number, events: number, fd: number) => void) => NativePoll;
  readonly Pump: new (
    fds: readonly [from: number, pipe: number, to: number],
    most: number,
    note: Float64Array,
    count: Float64Array,
    at: number,
    callback: (status: number, ended: number) => void,
  ) => NativePump;
  /** Adds a descriptor to libuv's epoll set early, because libuv aborts the process if the kernel refuses. 0 or -errno. */
  reserveWatch(fd: number): number;
  pipe(out: Int32Array, size: number): number;
  setNonBlocking(fd: number): number;
  dup(fd: number): number;
  /** Locks with flock; -EAGAIN if another open file holds the lock. */
  lock(fd: number): number;
  /** 1 if another open file has a record lock (fcntl) on any of its bytes, otherwise 0. */
  locked(fd: number): number;
  close(fd: number): number;
  read(fd: number, into: Uint8Array): number;
  write(fd: number, from: Uint8Array): number;
  writeNoted(fd: number, from: Uint8Array, note: Int32Array): number;
  readable(fd: number): number;
  changed(fd: number): number;
  hungUp(fd: number): number;
  resizePipe(fd: number, size: number): number;
  splice(from: number, to: number, length: number): number;
  spliceAt(from: number, to: number, length: number, offset: number): number;
  tee(from: number, to: number, length: number): number;
  sendFrames(
    fds: readonly [from: number, into: number, out: number, to: number],
    length: number,
    most: number,
    headers: Uint8Array,
  ): number;
  memoryFile(name: string, content: Uint8Array): number;
  mapShared(fd: number, length: number): ArrayBuffer | number;
  openat2(dir: number, path: string, flags: number, resolve: number): number;
  openInside(dir: number, path: string, flags: number, resolve: number): Promise<number>;
  makeNode(dir: number, name: string, mode: number, major: number, minor: number): number;
  setXattr(fd: number, name: string, value: Uint8Array): number;
  openName(dir: number, name: Uint8Array, flags: number, resolve: number): number;
  listXattrs(fd: number, into: Uint8Array): number;
  getXattr(fd: number, name: string, into: Uint8Array): number;
  setTimes(fd: number, times: Uint8Array): number;
  seek(fd: number, offset: number, hole: 0 | 1): number;
  vsockSocket(): number;
  unixSocket(): number;
  socketPair(out: Int32Array, kind: 0 | 1): number;
  bindVsock(fd: number, cid: number, port: number): number;
  connectVsock(fd: number, cid: number, port: number): number;
  bindUnix(fd: number, path: string): number;
  connectUnix(fd: number, path: string): Promise<number>;
  socketIn(namespace: number, family: number, type: number): number;
  connectInet(fd: number, address: string, port: number): number;
  bindInet(fd: number, address: string, port: number): number;
  inetPort(fd: number): number;
  endWriting(fd: number): number;
  resetOnClose(fd: number): number;
  peek(fd: number, into: Uint8Array): number;
  attachFilter(fd: number, program: Uint8Array): number;
  bindPackets(fd: number, interfaceName: string, protocol: number, buffer: number): number;
  /** Sets the first elements of `read` to the bytes and packets written, also if it fails then. */
  readPackets(fd: number, into: Uint8Array, snap: number, read: Int32Array): number;
  packetCounts(fd: number, counts: Int32Array): number;
  /** Writes a name without its terminator into 16 bytes or more; returns its length. */
  interfaceName(fd: number, index: number, into: Uint8Array): number;
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
  setDumpable(on: number): number;
  collectGarbage(): number;
  trimHeap(): number;
  keepForGood(bytes: Uint8Array): number;
  /** Maps a file's text; used by the launcher only. */
  mapText(path: string): string | number;
  /** Makes V8 only interpret for some rounds of events; used by the launcher only. */
  interpretFor(rounds: number): number;
  refuseCalls(filter: Uint8Array): number;
  loadDeviceFilter(instructions: Uint8Array): number;
  attachDeviceFilter(cgroup: number, program: number): number;
  replaceDeviceFilter(cgroup: number, program: number, replaced: number): number;
  attachedDeviceFilter(cgroup: number): number;
  setTime(seconds: number, micros: number): number;
  creditEntropy(fd: number, bits: number): number;
  reseedRandom(fd: number): number;
  swapOn(path: string): Promise<number>;
  sync(): Promise<number>;
  growExt4(fd: number, blocks: number): Promise<number>;
  growXfs(fd: number, blocks: number): Promise<number>;
  deviceMapper(command: number, request: Uint8Array): Promise<number>;
  ueventSocket(): number;
  receiveUevent(fd: number, into: Uint8Array): number;
}

let loaded: NativeAddon | undefined;

/** Returns the addon, loaded at the first call (3 ms). Throws one line that names the paths searched. */
export function nativeAddon(): NativeAddon {
  loaded ??= loadAddon<NativeAddon>("sys.node");
  return loaded;
}
